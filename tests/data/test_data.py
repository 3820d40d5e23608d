"""Sources and canonical order, on small trees of files that the tests write themselves."""

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10, CIFAR100

from kdlib import data
from kdlib.data import sources, storage
from kdlib.registry import KdlibError

COUNTS = {"train": 24, "test": 10}
NAMES = {"cifar10": [f"kind {c}" for c in "abcdefghij"], "cifar100": [f"class {i}" for i in range(100)]}
LAYOUTS = {"cifar10": sources.CIFAR10, "cifar100": sources.CIFAR100}
ORIGINALS = {"cifar10": (CIFAR10, "labels"), "cifar100": (CIFAR100, "fine_labels")}


def images_of(name, split):
    """A few random images, two of them equal under different labels, in an order of no meaning."""
    rng = np.random.default_rng([len(name), COUNTS[split]])
    images = rng.integers(0, 256, (COUNTS[split], 3, 32, 32), dtype=np.uint8)
    images[7] = images[2]
    return images, np.arange(COUNTS[split]) % 10


def encode(pixels, form="PNG"):
    """One encoded image of H x W x C (or H x W) pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, lossless=True)
    return file.getvalue()


def encode_all(images):
    return [encode(image.transpose(1, 2, 0), ("PNG", "WEBP")[i % 2]) for i, image in enumerate(images)]


def write_shard(path, encoded, labels, label="label", names=NAMES["cifar10"]):
    rows = [{"bytes": image, "path": f"{i}.png"} for i, image in enumerate(encoded)]
    features = {"img": {"_type": "Image"}, label: {"names": names, "_type": "ClassLabel"}}
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({"img": pa.array(rows, kind), label: pa.array(labels, pa.int64())})
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def write_parquet(root, name, folder=None):
    """Two training shards and one of test."""
    for split, parts in (("train", 2), ("test", 1)):
        images, labels = images_of(name, split)
        for i in range(parts):
            path = root / (folder or name) / f"{split}-{i:05d}-of-{parts:05d}.parquet"
            write_shard(path, encode_all(images[i::parts]), labels[i::parts], LAYOUTS[name].label, NAMES[name])


def write_pickles(root, name):
    """torchvision's folder with few images, in reverse order. Returns torchvision's class with the MD5 of these."""
    original, label = ORIGINALS[name]
    folder = root / original.base_folder
    folder.mkdir(parents=True)

    def dump(file, content):
        (folder / file).write_bytes(pickle.dumps(content))
        return [file, hashlib.md5((folder / file).read_bytes()).hexdigest()]

    tables = {}
    for split, table in (("train", original.train_list), ("test", original.test_list)):
        images, labels = (np.array_split(a[::-1], len(table)) for a in images_of(name, split))
        parts = zip(table, images, labels, strict=True)
        tables[split] = [dump(f, {"data": x.reshape(len(x), -1), label: y.tolist()}) for (f, _), x, y in parts]
    _, md5 = dump(original.meta["filename"], {original.meta["key"]: NAMES[name]})
    meta = {**original.meta, "md5": md5}
    return type("Few", (original,), {"train_list": tables["train"], "test_list": tables["test"], "meta": meta})


def few(archive, name="cifar10"):
    """`archive` as a data set of its own, added as a user would add it."""
    layout = replace(LAYOUTS[name], archive=lambda: archive)
    data.datasets.add("few", partial(sources.cifar, layout), **data.datasets[name].options)
    return "few"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty folder for data, and a cache of its own."""
    monkeypatch.setenv("KDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KDLIB_DATA", raising=False)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# Sources


def test_import_is_free_of_torch():
    code = "import sys, kdlib.data; kdlib.data.datasets['cifar10']; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_source_gives_the_same_images_in_the_same_order(name, split, root):
    write_parquet(root / "parquet", name)
    archive = write_pickles(root / "pickles", name)
    images, labels, names = data.load(name, split, root / "parquet")
    others = data.load(few(archive, name), split, root / "pickles")
    assert torch.equal(images, others[0]) and torch.equal(labels, others[1]) and names == others[2] == NAMES[name]
    assert data.fingerprint(images, labels) == data.fingerprint(*others[:2])

    pixels, kinds = images_of(name, split)
    order = sorted(range(len(pixels)), key=lambda i: (hashlib.sha1(pixels[i].tobytes()).hexdigest(), kinds[i]))
    assert np.array_equal(images.numpy(), pixels[order]) and images.dtype == torch.uint8
    assert labels.tolist() == kinds[order].tolist() and labels.dtype == torch.int64


@pytest.mark.parametrize("folder", ["cifar10", "cifar10/plain_text", "cifar10/cifar10"])
def test_customary_folders_of_shards(folder, root, monkeypatch):
    write_parquet(root, "cifar10", folder)
    monkeypatch.setenv("KDLIB_DATA", str(root))
    assert len(data.load("cifar10", "train")[0]) == COUNTS["train"]


def test_the_hub_misspells_the_crab(root):
    images, labels = images_of("cifar100", "test")
    shard = root / "cifar100" / "test-00000-of-00001.parquet"
    write_shard(shard, encode_all(images), labels, "fine_label", ["cra", *NAMES["cifar100"][1:]])
    assert data.load("cifar100", "test", root)[2][:2] == ["crab", "class 1"]


def test_parquet_comes_before_pickles(root):
    archive = write_pickles(root, "cifar10")
    layout = replace(sources.CIFAR10, archive=lambda: archive)
    assert sources.find(layout, "train", root).where.startswith("torchvision")
    write_parquet(root, "cifar10")
    assert sources.find(layout, "train", root).where.startswith("Parquet")


def test_where_data_are_looked_for(root, monkeypatch, tmp_path):
    assert storage.data_root() == tmp_path / "cache" / "data"
    monkeypatch.delenv("KDLIB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert storage.data_root() == tmp_path / "xdg" / "kdlib" / "data"
    monkeypatch.setenv("KDLIB_DATA", str(root))
    assert storage.data_root() == root
    assert storage.data_root(tmp_path / "given") == tmp_path / "given"


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


def test_names_and_splits_that_nobody_knows(root):
    with pytest.raises(KdlibError, match="did you mean 'cifar10'"):
        data.load("cifar1O", "train", root)
    with pytest.raises(KdlibError, match="did you mean 'test'"):
        data.load("digits", "tests", root)


# Damage: a sentence with the file's name, and never another source in its place

GOOD, KINDS = images_of("cifar10", "train")
DAMAGE = {
    "is missing": lambda shard: shard.unlink(),
    "is no whole Parquet file": lambda shard: shard.write_bytes(shard.read_bytes()[:-100]),
    "magic bytes": lambda shard: shard.write_text("version https://git-lfs.github.com/spec/v1"),
    "a label is 10;": lambda shard: write_shard(shard, encode_all(GOOD), KINDS + 1),
    "a label is -1;": lambda shard: write_shard(shard, encode_all(GOOD), KINDS - 1),
    "24 whole numbers": lambda shard: write_shard(shard, encode_all(GOOD), [None, *KINDS[1:].tolist()]),
    "row 0 that is 28 x 32 RGB": lambda shard: write_shard(shard, encode_all(GOOD[..., :28]), KINDS),
    "row 0 that is 32 x 32 L": lambda shard: write_shard(shard, [encode(image[0]) for image in GOOD], KINDS),
    "row 1 that cannot be decoded": lambda shard: write_shard(
        shard, [e[: -500 * (i == 1) or None] for i, e in enumerate(encode_all(GOOD))], KINDS
    ),
    "row 0 that cannot be decoded": lambda shard: write_shard(shard, [None, *encode_all(GOOD[1:])], KINDS),
    "lacks the columns": lambda shard: write_shard(shard, encode_all(GOOD), KINDS, label="fine_label"),
    "or class names": lambda shard: pq.write_table(pq.read_table(shard).replace_schema_metadata(None), shard),
    "1 class names; give 10": lambda shard: write_shard(shard, encode_all(GOOD), KINDS, names=["one"]),
    "images are 0": lambda shard: write_shard(shard, [], []),
}


@pytest.mark.parametrize("trouble", DAMAGE)
def test_damaged_shards(trouble, root):
    write_parquet(root, "cifar10")
    archive = write_pickles(root, "cifar10")
    shard = root / "cifar10" / "train-00001-of-00002.parquet"
    DAMAGE[trouble](shard)
    with pytest.raises(KdlibError) as error:
        data.load(few(archive), "train", root)
    assert str(shard) in str(error.value) and trouble in str(error.value)
    assert "python -m kdlib data cifar10" in str(error.value)


def test_shards_of_another_split_or_of_two_divisions(root):
    write_parquet(root, "cifar10")
    folder = root / "cifar10"
    (folder / "train-00000-of-00001.parquet").write_bytes((folder / "train-00000-of-00002.parquet").read_bytes())
    with pytest.raises(KdlibError, match="two divisions of 'train'"):
        data.load("cifar10", "train", root)
    (folder / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(KdlibError, match="test-00000-of-00001.parquet is missing"):
        data.load("cifar10", "test", root)


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


# The cache of decoded arrays


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


# Digits


def test_digits():
    images, labels, names = data.load("digits", "train")
    test, test_labels, _ = data.load("digits", "test")
    assert images.shape == (1257, 1, 8, 8) and test.shape == (540, 1, 8, 8) and names == list("0123456789")
    both = torch.cat([images, test]), torch.cat([labels, test_labels])
    assert sorted(both[0].unique().tolist()) == [round(v * 255 / 16) for v in range(17)]
    counts = np.bincount(load_digits().target)
    assert both[1].bincount().tolist() == counts.tolist()
    assert np.abs(test_labels.bincount().numpy() - counts * 540 / 1797).max() < 1  # stratified

    # Pinned: every record of digits depends on these.
    train, held_out = data.held_out_split(labels, total=157)
    assert (len(train), len(held_out)) == (1100, 157)
    assert data.fingerprint(*both) == "b3c44e63614f39b1"
    assert held_out[:5].tolist() == [11, 23, 24, 37, 52]
    assert data.fingerprint(images[held_out], labels[held_out]) == "e8e5a9cc5ad031bb"


# A data set of the user's own

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
OPTIONS = {"num_classes": 4, "channels": 1, "size": 8, "held_out": 1, "flip": False}


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_a_data_set_registered_by_the_user(kind, root):
    @data.datasets.register("mine", **OPTIONS)
    def mine(split, folder):
        assert folder == root
        return kind(IMAGES), kind(np.arange(12, dtype=np.uint8) % 4), list("wxyz")

    images, labels, names = data.load("mine", "train", root)
    order = sorted(range(12), key=lambda i: hashlib.sha1(IMAGES[i].tobytes()).digest())
    assert np.array_equal(images.numpy(), IMAGES[order]) and labels.tolist() == [i % 4 for i in order]
    assert labels.dtype == torch.int64 and names == ["w", "x", "y", "z"]
    assert "8 images, 2 a class" in data.describe("mine", root)


@pytest.mark.parametrize(
    "returned, trouble",
    [
        ((IMAGES / 255, np.zeros(12, int), "wxyz"), "images are float64"),
        ((IMAGES[:, 0], np.zeros(12, int), "wxyz"), "images are 12 x 8 x 8; give N x 1 x 8 x 8"),
        ((IMAGES[:0], np.zeros(0, int), "wxyz"), "images are 0 x 1 x 8 x 8"),
        ((IMAGES, np.zeros(12), "wxyz"), "labels are 12 float64"),
        ((IMAGES, np.zeros(11, int), "wxyz"), "labels are 11 int64; give 12"),
        ((IMAGES, np.full(12, 4), "wxyz"), "a label is 4; give labels from 0 to 3"),
        ((IMAGES, np.zeros(12, int), "wxy"), "3 class names; give 4"),
        ((IMAGES, np.zeros(12, int)), "return (images, labels, class names)"),
        (None, "not NoneType"),
    ],
)
def test_what_a_user_may_get_wrong(returned, trouble):
    data.datasets.add("wrong", lambda split, root: returned, **OPTIONS)
    with pytest.raises(KdlibError) as error:
        data.load("wrong", "train")
    assert "Data set 'wrong', split 'train'" in str(error.value) and trouble in str(error.value)


def test_a_registration_without_its_size():
    data.datasets.add("wrong", lambda split, root: None, num_classes=4, channels=1)
    with pytest.raises(KdlibError, match="registered without size"):
        data.load("wrong", "train")


# What the command line shows


def test_describe_and_overview(root):
    write_parquet(root, "cifar10")
    text = data.overview(root)
    assert f"Parquet shards in {root / 'cifar10'}" in text
    assert "not here: `python -m kdlib data cifar100`" in text
    described = data.describe("digits")
    for part in ("1,100 images", "157 images", "540 images", "b3c44e63614f39b1", "scikit-learn"):
        assert part in described


# The real one


def test_cifar10_is_the_published_one():
    if sources.find(sources.CIFAR10, "train", storage.data_root()) is None:
        pytest.skip(f"CIFAR-10 is not in {storage.data_root()}: set KDLIB_DATA to have it checked")
    images, labels, names = data.load("cifar10", "train")
    _, test_labels, _ = data.load("cifar10", "test")
    assert labels.bincount().tolist() == [5000] * 10 and test_labels.bincount().tolist() == [1000] * 10
    assert names == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    pixels = images.transpose(0, 1).flatten(1).double() / 255
    assert pixels.mean(1).tolist() == pytest.approx([0.49139968, 0.48215841, 0.44653091], abs=1e-8)
    assert pixels.std(1, correction=0).tolist() == pytest.approx([0.24703223, 0.24348513, 0.26158784], abs=1e-8)
