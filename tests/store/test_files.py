"""A file is whole or not there, and nothing else of kdlib is needed to read it."""

import os
import subprocess
import sys

import pytest

import kdlib.store
from kdlib.places import ROOT
from kdlib.store.files import dump, load_json, read, write_atomically, write_record


def test_a_record_is_strict_json():
    assert dump({"b": 1, "a": [0.1, None]}) == '{"a":[0.1,null],"b":1}\n'
    with pytest.raises(ValueError):
        dump({"a": float("nan")})


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "new folder" / "file"
    write_atomically(path, lambda file: file.write(b"old"))

    def fail(file):
        file.write(b"half of the ne")
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"


def test_what_is_not_there_is_none(tmp_path):
    write_record(tmp_path / "there", {"name": "café"})
    assert read(tmp_path / "there", load_json) == {"name": "café"}
    assert read(tmp_path / "missing", load_json) is None
    assert read(tmp_path / "there" / "below a file", load_json) is None


WITHOUT_TORCH = """
import importlib, pkgutil, sys
for room in ("torch", "torchvision", "PIL", "kdlib.metrics", "kdlib.data.images", "kdlib.training"):
    sys.modules[room] = None  # importing it fails
import kdlib.store
for module in pkgutil.iter_modules(kdlib.store.__path__):
    importlib.import_module(f"kdlib.store.{module.name}")
from kdlib.store import Store, listing, provenance, queries
store = Store(sys.argv[1])
store.save_logits("a", {"last_test": __import__("numpy").zeros((2, 3))})
print(store.logits("a")["last_test"].shape, listing.listing(queries.select(store, [])).split()[-1])
print(len(Store(sys.argv[1], sys.argv[2]).record(sys.argv[3])["spec"]) > 3, provenance.provenance()["torch"] > "2")
"""


def test_a_store_knows_no_torch_metric_or_image(tmp_path):
    committed = ROOT / "reports" / "results"
    key = min(committed.glob("*.json")).stem
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WITHOUT_TORCH, tmp_path, committed, key]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout == "(2, 3) training\nTrue True\n", done.stderr


def test_the_room_says_what_is_in_it():
    rooms = {path.name for path in (ROOT / "kdlib" / "store").glob("*.py")} - {"__init__.py"}
    assert {line.split()[0] for line in kdlib.store.__doc__.splitlines() if ".py " in line} == rooms
