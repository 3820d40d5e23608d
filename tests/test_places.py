"""Every process means the same folder, and where none can be meant, one sentence says what to set."""

import os
import shutil
import subprocess
import sys

import pytest

from kdlib import KdlibError
from kdlib.places import ROOT, named, repository
from kdlib.store import Store


def test_a_relative_place_begins_at_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLIB_STORE", "some/runs")
    monkeypatch.setenv("KDLIB_RESULTS", "../results")
    here = Store()
    monkeypatch.chdir(tmp_path)  # as a kernel, which starts elsewhere
    assert (Store().root, Store().results) == (here.root, here.results)
    assert (here.root, here.results) == (ROOT / "some" / "runs", ROOT.parent / "results")


def test_a_wave_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("KDLIB_STORE", "KDLIB_RESULTS", "KDLIB_DATA"):
        monkeypatch.setenv(variable, "~/x")
        assert named(variable) == tmp_path / "x"
    monkeypatch.setenv("KDLIB_STORE", "~nobody-of-this-name/x")
    with pytest.raises(KdlibError, match=r"^\$KDLIB_STORE is ~nobody-of-this-name/x, .+: write its path in full\.$"):
        Store()


def test_what_is_unset_or_empty_names_nothing(monkeypatch):
    monkeypatch.delenv("KDLIB_STORE")
    assert named("KDLIB_STORE") is None
    monkeypatch.setenv("KDLIB_STORE", "")
    assert named("KDLIB_STORE") is None


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A function that runs a script with kdlib as an installed package, which has no notebooks beside it."""
    packages = tmp_path_factory.mktemp("packages")
    shutil.copytree(ROOT / "kdlib", packages / "kdlib", ignore=shutil.ignore_patterns("__pycache__"))

    def run(script, **variables):
        rest = {name: value for name, value in os.environ.items() if not name.startswith("KDLIB_")}
        return subprocess.run(
            [sys.executable, "-c", script],
            env=rest | {"PYTHONPATH": str(packages)} | variables,
            cwd=packages.parent,
            capture_output=True,
            encoding="utf-8",
        )

    return run


SAY = "import kdlib\ntry: print({})\nexcept kdlib.KdlibError as error: print(error)"


def test_without_a_checkout_each_place_names_its_own_remedy(installed):
    said = installed(SAY.format("kdlib.store.Store()")).stdout
    assert said == "kdlib is not running from its checkout: set $KDLIB_STORE to the folder that shall hold runs.\n"
    said = installed(SAY.format("kdlib.store.Store()"), KDLIB_STORE="x").stdout
    assert said.startswith("$KDLIB_STORE is x, which would begin at kdlib's checkout, and there is none")
    assert "checkout" in installed(SAY.format("kdlib.store.repository()")).stdout


def test_without_a_checkout_everything_works_in_a_store(installed, tmp_path):
    """A folder for the committed records is not needed: an installed package has none."""
    script = (
        "import kdlib\n"
        "run = kdlib.Run(data='digits', network='cnn2', epochs=1, batch_size=64)\n"
        "status = kdlib.train([run], threads=1)['status'].item()\n"
        "print(status, kdlib.logits(run)[0].shape[1], kdlib.store.Store().results)"
    )
    done = installed(script, KDLIB_STORE=str(tmp_path / "runs"))
    assert done.stdout.endswith("finished 10 None\n"), done.stderr
    (record,) = (tmp_path / "runs").glob("*/record.json")
    assert '"git":null' in record.read_text(encoding="utf-8")


def test_the_repository_is_the_checkout():
    assert repository() == ROOT and (ROOT / "kdlib" / "places.py").exists()
