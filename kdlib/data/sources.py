"""The data sets that kdlib knows, and the sources in which each is looked for."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from kdlib.data import parquet, pickles
from kdlib.data.images import canonical
from kdlib.data.split import held_out_split
from kdlib.data.storage import Arrays, cached, readable

DIGITS_TEST = 540  # of 1,797


@dataclass(frozen=True)
class Layout:
    """How a CIFAR data set lies on disk: the folder of its Parquet shards, their label column, and torchvision's class,
    which has the names, checksums and address of the pickles (a function, so that it is imported when needed)."""

    name: str
    label: str
    archive: Callable[[], type]


@dataclass(frozen=True)
class Source:
    """Files that hold a split, and the function that decodes them."""

    where: str
    files: list[Path]
    decode: Callable[[], Arrays]


CIFAR10 = Layout("cifar10", "label", lambda: importlib.import_module("torchvision.datasets").CIFAR10)
CIFAR100 = Layout("cifar100", "fine_label", lambda: importlib.import_module("torchvision.datasets").CIFAR100)


def cifar10(split: str, root: Path) -> Arrays:
    """CIFAR-10 (Krizhevsky 2009)."""
    return cifar(CIFAR10, split, root)


def cifar100(split: str, root: Path) -> Arrays:
    """CIFAR-100 (Krizhevsky 2009), its 100 fine labels."""
    return cifar(CIFAR100, split, root)


def digits(split: str, root: Path) -> Arrays:
    """The handwritten digits inside scikit-learn (Alpaydin & Kaynak 1998), 0..16 stretched to 0..255.

    1,797 images without a split of their own: 540 of them, stratified, are the test images of every run.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    images, labels, names = canonical((images, bunch.target, [str(c) for c in bunch.target_names]))
    train, test = (index.numpy() for index in held_out_split(labels, total=DIGITS_TEST, purpose="digits test"))
    chosen = {"train": train, "test": test}[split]
    return images[chosen], labels[chosen], names


def cifar(layout: Layout, split: str, root: Path) -> Arrays:
    """The split from the first source that is there, or downloaded; from the second time on, from decoded arrays."""
    source = find(layout, split, root)
    if source is None:
        pickles.download(layout.archive(), root, layout.name, looked_for=parquet.patterns(layout.name, split))
        source = find(layout, split, root)
    with readable(layout.name):
        return cached(f"{layout.name} {split}", source.files, lambda: canonical(source.decode()))


def find(layout: Layout, split: str, root: Path) -> Source | None:
    """Parquet shards, else torchvision's folder, else None; KdlibError if the first that is there lacks a file, or one
    may not be read."""
    with readable(layout.name):
        return _shards(layout, split, root) or _folder(layout, split, root)


def _shards(layout: Layout, split: str, root: Path) -> Source | None:
    if shards := parquet.shards(root, layout.name, split):
        where = f"Parquet shards in {shards[0].parent}"
        return Source(where, shards, partial(parquet.read, shards, layout.label, layout.name))
    return None


def _folder(layout: Layout, split: str, root: Path) -> Source | None:
    archive = layout.archive()
    if checksums := pickles.files(archive, root, split, layout.name):
        where = f"torchvision's folder {root / archive.base_folder}"
        return Source(where, list(checksums), partial(pickles.read, checksums, archive, layout.name))
    return None
