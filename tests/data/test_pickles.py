"""torchvision's folders: downloaded, and opened only where the checksum is right."""

import hashlib
import os
import pickle
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import torch
from cifar import few, write_pickles
from torchvision.datasets import CIFAR10, CIFAR100

from kdlib import data
from kdlib.registry import KdlibError


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A web server on this machine for the files in `tmp_path / "served"`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder)) as http:
        Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_download(root, server):
    folder, address = server
    archive = write_pickles(folder, "cifar10")
    packed = folder / archive.filename
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(folder / archive.base_folder, archive.base_folder)
    archive.url, archive.tgz_md5 = f"{address}/{packed.name}", hashlib.md5(packed.read_bytes()).hexdigest()
    images, labels, _ = data.load(few(archive), "train", root)
    there = data.load("few", "train", folder)
    assert torch.equal(images, there[0]) and torch.equal(labels, there[1])
    assert (root / archive.base_folder).is_dir() and not list(root.glob(".partial*"))


@pytest.mark.parametrize("trouble", ["refused", "not found", "corrupted"])
def test_failed_download_says_what_is_missing_and_how_to_get_it(trouble, root, server):
    folder, address = server
    (folder / "other.tar.gz").write_bytes(b"not what was asked for")
    url = {
        "refused": "http://127.0.0.1:9/x.tar.gz",
        "not found": f"{address}/x",
        "corrupted": f"{address}/other.tar.gz",
    }
    archive = type("Unreachable", (CIFAR10,), {"url": url[trouble]})
    with pytest.raises(KdlibError, match=f"(?i){trouble}") as error:
        data.load(few(archive), "train", root)
    said = ["cifar10/train-*-of-*.parquet", "cifar-10-batches-py", "python -m kdlib data cifar10", "$KDLIB_DATA"]
    assert all(part in str(error.value) for part in [*said, archive.url, str(root)])
    assert not (root / "cifar-10-batches-py").exists()


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_wrong_md5_is_found_before_anything_is_unpickled(root, tmp_path):
    archive = write_pickles(root, "cifar10")
    file, trap = root / archive.base_folder / "data_batch_3", tmp_path / "trap"
    file.write_bytes(pickle.dumps(Bomb(trap)))
    with pytest.raises(KdlibError, match="data_batch_3 has the MD5 .* and was not opened"):
        data.load(few(archive), "train", root)
    assert not trap.exists()
    pickle.loads(file.read_bytes())
    assert trap.exists()  # the trap would have worked


def test_the_checksums_are_those_of_torchvision(root):
    write_pickles(root, "cifar100")
    with pytest.raises(KdlibError, match=f"not {CIFAR100.train_list[0][1]}"):
        data.load("cifar100", "train", root)


def test_a_missing_pickle(root):
    archive = write_pickles(root, "cifar10")
    (root / archive.base_folder / "data_batch_2").unlink()
    with pytest.raises(KdlibError, match="data_batch_2 is missing.*python -m kdlib data cifar10"):
        data.load(few(archive), "train", root)


def test_where_no_file_can_be_made_nothing_waits(root):
    """As in /proc, where a lock is waited for without end."""
    with pytest.raises(KdlibError, match="cannot be downloaded .*looked in /proc for"):
        data.load(few(type("Unreachable", (CIFAR10,), {})), "train", "/proc")
