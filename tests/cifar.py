"""A few images as CIFAR lies on disk, written by the tests themselves."""

import hashlib
import io
import json
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100

from kdlib import data
from kdlib.data import sources

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
