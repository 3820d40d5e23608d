"""What a table mixes is said, and git is trusted where it tracks this kdlib."""

import subprocess

import pytest
from builders import record

from kdlib.store.provenance import mixture, revision


def test_a_table_of_one_kind_has_no_footnote():
    assert mixture([]) == mixture([record(), record()]) == mixture([record(device="H"), record(device="H", cpu="B")])
    assert mixture([]) == ""


def test_a_table_that_mixes_says_what():
    assert mixture([record(), record(cpu="B")]) == "; runs of A, B are mixed"
    assert mixture([record(), record(device="H")]) == "; runs of A, H are mixed"
    assert mixture([record(), record(precision="bf16")]) == "; runs of bf16, fp32 are mixed"
    both = mixture([record(taught_by={"t": "1"}), record(cpu="B", taught_by={"t": "2"})])
    assert both == "; runs of A, B and of 2 trainings of teacher t are mixed"


# Revision ------------------------------------------------------------------------------------------------------------


def git(folder, *arguments):
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    return subprocess.run(
        ["git", "-C", folder, *who, *arguments], check=True, capture_output=True, encoding="utf-8"
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    """A repository that tracks a kdlib of its own."""
    folder = tmp_path / "checkout"
    for name in ("kdlib/__init__.py", "notebooks/study.ipynb", "README.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    git(tmp_path, "init", "-q", folder)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "all of it")
    return folder


def test_a_checkout_is_dirty_by_its_code_and_notebooks_alone(checkout):
    clean = {"git": git(checkout, "rev-parse", "HEAD"), "dirty": False}
    assert revision(checkout) == clean
    (checkout / "README.md").write_bytes(b"changed")
    (checkout / "new file").write_bytes(b"")
    assert revision(checkout) == clean
    for name in ("kdlib/new.py", "notebooks/study.ipynb"):
        (checkout / name).write_bytes(b"changed")
        assert revision(checkout) == clean | {"dirty": True}
        git(checkout, "add", ".")
        git(checkout, "commit", "-qm", name)
        clean["git"] = git(checkout, "rev-parse", "HEAD")
        assert revision(checkout) == clean


def test_a_copy_in_another_repository_has_no_revision_of_its_own(checkout, monkeypatch):
    inside = checkout / "vendor"
    (inside / "kdlib").mkdir(parents=True)
    (inside / "kdlib" / "__init__.py").write_bytes(b"")
    assert revision(inside) == {"git": None, "dirty": None}
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "a copy")
    assert revision(inside) == {"git": None, "dirty": None}
    monkeypatch.setenv("KDLIB_REVISION", "v1.2")
    assert revision(inside) == {"git": "v1.2", "dirty": None}
    assert revision(checkout)["git"] == git(checkout, "rev-parse", "HEAD")  # which has its own


def test_a_repository_around_an_untracked_kdlib_is_another_one(tmp_path):
    """As site-packages that somebody put under git."""
    git(tmp_path, "init", "-q", ".")
    git(tmp_path, "commit", "-qm", "none of it", "--allow-empty")
    (tmp_path / "kdlib").mkdir()
    (tmp_path / "kdlib" / "__init__.py").write_bytes(b"")
    assert revision(tmp_path) == {"git": None, "dirty": None}


def test_in_a_hook_the_revision_is_still_that_of_the_checkout(checkout, tmp_path, monkeypatch):
    own = revision(checkout)
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert revision(checkout) == own
