"""Where data lie on this machine, and the cache of decoded arrays."""

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from cifar import COUNTS, write_parquet

from kdlib import data
from kdlib.data import storage
from kdlib.registry import KdlibError


def test_where_data_are_looked_for(root, monkeypatch, tmp_path):
    assert storage.data_root() == tmp_path / "cache" / "data"
    monkeypatch.delenv("KDLIB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert storage.data_root() == tmp_path / "xdg" / "kdlib" / "data"
    monkeypatch.setenv("KDLIB_DATA", str(root))
    assert storage.data_root() == root
    assert storage.data_root(tmp_path / "given") == tmp_path / "given"


def decoder(calls):
    def decode():
        calls.append(1)
        return np.arange(12, dtype=np.uint8).reshape(3, 1, 2, 2), np.array([2, 1, 0]), ["a", "b", "c"]

    return decode


def test_the_same_bytes_are_decoded_once(root):
    calls, file = [], root / "file"
    for content, decoded in [(b"one", 1), (b"one", 1), (b"two", 2), (b"one", 2)]:
        file.write_bytes(content)
        images, labels, names = storage.cached("purpose", [file], decoder(calls))
        assert images.shape == (3, 1, 2, 2) and labels.tolist() == [2, 1, 0] and names == ["a", "b", "c"]
        assert len(calls) == decoded


def test_a_cache_that_was_cut_short_is_made_anew(root, tmp_path):
    write_parquet(root, "cifar10")
    before = data.load("cifar10", "train", root)
    for kept in (tmp_path / "cache" / "arrays").glob("*/*"):
        kept.write_bytes(kept.read_bytes()[:-1])
        assert torch.equal(data.load("cifar10", "train", root)[0], before[0])


def test_many_at_once_leave_one_whole_cache(root, tmp_path):
    file, calls = root / "file", []
    file.write_bytes(b"content")
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: storage.cached("purpose", [file], decoder(calls)), range(40)))
    assert all(labels.tolist() == [2, 1, 0] for _, labels, _ in results)
    (folder,) = (tmp_path / "cache" / "arrays").iterdir()
    assert {f.name for f in folder.iterdir()} == {"images.npy", "labels.npy", "class_names.json"}


def test_a_cache_that_cannot_be_written_warns_and_loads(root, monkeypatch):
    write_parquet(root, "cifar10")
    (root / "file").touch()
    monkeypatch.setenv("KDLIB_CACHE", str(root / "file"))
    with pytest.warns(UserWarning, match="KDLIB_CACHE"):
        assert len(data.load("cifar10", "test", root)[0]) == COUNTS["test"]


def test_places_in_the_home_folder(root, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KDLIB_DATA", "~/mine")
    assert storage.data_root() == storage.data_root("~/mine") == tmp_path / "mine"


def test_a_user_without_a_home_folder_gets_one_sentence(monkeypatch):
    for variable in ("KDLIB_CACHE", "KDLIB_DATA", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 2)  # of nobody in the user table
    with pytest.raises(KdlibError, match=r"There is no home folder to keep a cache in: set \$KDLIB_CACHE"):
        storage.data_root()


def test_a_file_in_the_place_of_a_folder_gets_one_sentence(root, monkeypatch):
    (root / "file").touch()
    monkeypatch.setenv("KDLIB_DATA", str(root / "file"))
    for use in (data.overview, partial(data.describe, "digits"), partial(data.load, "cifar10", "train")):
        with pytest.raises(KdlibError, match=r"/file, which is no folder: set \$KDLIB_DATA to a folder"):
            use()


# A process of its own, which gives up root's right to read everything after it has imported what it needs.
AS_NOBODY = """
import os, sys
import torchvision.datasets, kdlib.data.catalogue, kdlib.data.images
os.umask(0)
if os.getuid() == 0:
    os.setuid(65534)
try:
    kdlib.data.load("cifar10", "test", sys.argv[1])
except kdlib.KdlibError as error:
    print(error)
"""


def as_nobody(root):
    environment = os.environ | {"KDLIB_CACHE": str(root / "cache")}
    command = [sys.executable, "-c", AS_NOBODY, str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


@pytest.fixture
def public():
    """A folder that everyone reaches: pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def test_a_folder_that_may_not_be_read_gets_one_sentence(public):
    (public / "shut").mkdir(mode=0)
    assert "/shut, which may not be read: set $KDLIB_DATA to a folder of yours." in as_nobody(public / "shut")


@pytest.mark.parametrize("shut", ["cifar-10-batches-py", "cifar10/test-00000-of-00001.parquet"])
def test_files_that_may_not_be_read_get_one_sentence(shut, public):
    (public / "cifar-10-batches-py").mkdir()
    (public / "cifar10").mkdir()
    if shut.startswith("cifar10"):
        (public / shut).touch()
    (public / shut).chmod(0)
    said = as_nobody(public)
    assert said.count("\n") == 1 and shut in said and "cannot be read (Permission denied): put a sound copy" in said
