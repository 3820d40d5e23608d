"""`python -m kdlib runs`, as it is typed, in every terminal."""

import json
import os
import subprocess
import sys

import pytest

from kdlib.places import ROOT

RESULTS = ROOT / "reports" / "results"


@pytest.fixture
def kdlib(tmp_path):
    """A function that runs the command line with an empty store and the committed records."""
    own = {"PYTHONPATH": str(ROOT), "KDLIB_STORE": str(tmp_path / "runs"), "KDLIB_RESULTS": str(RESULTS)}

    def run(*arguments, python=(), encoding="utf-8", **variables):
        command = [sys.executable, *python, "-m", "kdlib", *map(str, arguments)]
        return subprocess.run(command, env=os.environ | own | variables, capture_output=True, encoding=encoding)

    return run


def test_a_store_that_does_not_exist_is_said_and_not_made(kdlib, tmp_path):
    done = kdlib("runs")
    assert done.stderr == (
        f"There is no store {tmp_path / 'runs'} yet: kdlib.train makes it, or $KDLIB_STORE names another.\n"
    )
    number = len(list(RESULTS.glob("*.json")))
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == f"… and {number - 50} more: --limit 0 shows all."
    assert kdlib("runs", KDLIB_RESULTS="").stdout == "No runs.\n"
    assert kdlib("runs", "prune").stdout == "Removed 0 damaged runs and 0 half-written files.\n"
    assert not (tmp_path / "runs").exists()


def test_runs_are_listed_shown_compared_and_exported(kdlib, tmp_path):
    listed = kdlib("runs", "list", "--where", "network=cnn2", "--where", "temperature=20", "--limit", 3).stdout
    assert "network cnn2" in listed.splitlines()[0] and len(listed.splitlines()) == 6
    a, b = (line.split()[0] for line in listed.splitlines()[2:4])
    assert json.loads(kdlib("runs", "show", a[:10]).stdout)["key"] == a
    assert "provenance:" in kdlib("runs", "diff", a, b).stdout
    assert kdlib("runs", "retry").stdout == "0 failed runs will be tried again.\n"
    said = kdlib("runs", "export", "--where", "network=cnn2", "--where", "temperature=20", "--to", tmp_path / "to")
    written = len(list((tmp_path / "to").glob("*.json")))
    assert written > 3 and f"{written} records" in said.stdout


def test_a_wrong_condition_ends_with_one_sentence(kdlib):
    done = kdlib("runs", "list", "--where", "status=done")
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
        "kdlib: Unknown status 'done': Known: finished, failed, training."
    )


def test_a_terminal_that_lacks_a_letter_gets_its_number(kdlib, tmp_path):
    western = kdlib("runs", "export", "--to", tmp_path / "→", encoding="cp1252", PYTHONIOENCODING="cp1252")
    assert western.stdout.count("\\u2192, 0 kept as they were.") == 1, western.stderr
    plain = kdlib("runs", encoding="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert plain.stdout.splitlines()[-1].startswith("\\u2026 and "), plain.stderr


def test_files_are_read_in_one_encoding_whatever_the_terminals(kdlib):
    done = kdlib("runs", "list", "--limit", 1, python=("-X", "warn_default_encoding", "-W", "error::EncodingWarning"))
    assert done.returncode == 0, done.stderr
