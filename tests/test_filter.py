"""What JupyterLab writes into notebooks leaves `git status` clean, and git works without .venv: in a clone, by `make
filter` and the real nbstripout."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output

import kdlib
from kdlib.report.saved import refresh

ROOT = Path(kdlib.__file__).resolve().parents[1]
NBSTRIPOUT = shutil.which("nbstripout", path=str(Path(sys.executable).parent))


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def clone(tmp_path):
    """Notebooks and set-up as they are here, committed, and the filter installed."""
    root = tmp_path / "clone"
    for name in ("Makefile", ".gitattributes", ".gitignore", *(f"notebooks/{p.name}" for p in notebooks(ROOT))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    run("git", "init", "-q", cwd=root)
    run("git", "add", "-A", cwd=root)
    run("git", *identity, "commit", "-qm", "as committed", cwd=root)
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/nbstripout").symlink_to(NBSTRIPOUT)
    run("git", "config", "--local", "filter.nbstripout.required", "true", cwd=root)  # as an older `make lab` left it
    run("make", "-s", "filter", cwd=root)
    return root


def notebooks(root: Path) -> list[Path]:
    return sorted((root / "notebooks").glob("*.ipynb"))


def save_as_jupyterlab(path: Path) -> None:
    """After all cells were run: outputs, counts, times, the kernel's version."""
    notebook = nbformat.read(path, as_version=4)
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
        cell.outputs = [new_output("stream", name="stdout", text="measured\n")]
        cell.metadata["execution"] = {"iopub.status.busy": "2025-01-02T03:04:05.678901Z"}
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7", "mimetype": "text/x-python"}
    nbformat.write(notebook, path)
    refresh(os_path=str(path))


def touch(root: Path) -> None:
    """So that git looks at the notebooks again."""
    for path in notebooks(root):
        path.write_bytes(path.read_bytes())


@pytest.mark.skipif(NBSTRIPOUT is None, reason="nbstripout is not installed")
def test_git_status_stays_clean(clone):
    touch(clone)
    assert run("git", "status", "--porcelain", cwd=clone) == ""
    for path in notebooks(clone):
        save_as_jupyterlab(path)
    assert run("git", "status", "--porcelain", cwd=clone) == ""
    edited = notebooks(clone)[0]
    edited.write_text(edited.read_text().replace("import kdlib\\n", "import kdlib  # mine\\n", 1))
    refresh(os_path=str(edited))
    assert run("git", "status", "--porcelain", cwd=clone) == f" M notebooks/{edited.name}\n"
    assert "measured" not in run("git", "diff", cwd=clone)


@pytest.mark.skipif(NBSTRIPOUT is None, reason="nbstripout is not installed")
@pytest.mark.parametrize("broken", ["no .venv", "no interpreter"])
def test_git_works_when_the_interpreter_is_gone(clone, broken):
    shutil.rmtree(clone / ".venv")
    if broken == "no interpreter":
        (clone / ".venv/bin").mkdir(parents=True)
        (clone / ".venv/bin/nbstripout").write_text("#!/nowhere/python\n")
        (clone / ".venv/bin/nbstripout").chmod(0o755)
    touch(clone)
    run("git", "status", "--porcelain", cwd=clone)
    run("git", "checkout", "-q", "HEAD", "--", ".", cwd=clone)
    assert run("git", "diff", "HEAD", "--stat", cwd=clone).count("changed") == 0


def test_make_goes_on_where_there_is_no_repository(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    run("make", "-s", "filter", cwd=tmp_path)
