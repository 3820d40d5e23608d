"""What `python -m kdlib data` prints."""

from pathlib import Path

import torch

from kdlib.data import datasets, sources
from kdlib.data.images import load, promised
from kdlib.data.split import fingerprint, held_out_split
from kdlib.data.storage import data_root

LAYOUTS = {layout.name: layout for layout in (sources.CIFAR10, sources.CIFAR100)}


def overview(root: str | Path | None = None) -> str:
    """One line per data set: what it is, and where it was found. Downloads nothing.

    Raises KdlibError where the folder of data sets is a file, or may not be read.

    >>> print(overview().splitlines()[1])
    digits       10 classes, 1 x 8 x 8            The handwritten digits inside scikit-learn (Alpaydin & Kaynak 1998), \
0..16 stretched to 0..255
    """
    lines = [f"{name:12} {_shape(name):32} {_where(name, data_root(root))}" for name in datasets]
    return "\n".join([f"Data sets; files are looked for in {data_root(root)}.", *lines])


def describe(name: str, root: str | Path | None = None) -> str:
    """What was found, where, how many images per class, and the fingerprint. Downloads what is not there.

    Raises KdlibError as `load` does.

    >>> print(*describe("digits").splitlines()[2:5], sep="\\n")
      train        1,100 images, 107 to 112 per class
      held out     157 images, 15 to 16 per class
      test         540 images, 52 to 55 per class
    """
    (images, labels, class_names), (test, test_labels, _) = load(name, "train", root), load(name, "test", root)
    options = datasets[name].options
    train, held_out = held_out_split(labels, options.get("held_out"), options.get("held_out_total"))
    mark = fingerprint(torch.cat([images, test]), torch.cat([labels, test_labels]))
    rows = {
        "from": _where(name, data_root(root)),
        "train": _counts(labels[train]),
        "held out": _counts(labels[held_out]),
        "test": _counts(test_labels),
        "fingerprint": f"{mark} (all training images, then test)",
        "classes": _few(class_names),
    }
    return "\n".join([f"{name}: {_shape(name)}", *(f"  {title:12} {row}" for title, row in rows.items())])


def _shape(name: str) -> str:
    return "{} classes, {} x {} x {}".format(*promised(name))


def _where(name: str, root: Path) -> str:
    if name not in LAYOUTS:
        return (datasets[name].summary or "registered by its user").rstrip(".")
    found = [sources.find(LAYOUTS[name], split, root) for split in ("train", "test")]
    return found[0].where if all(found) else f"not here: `python -m kdlib data {name}` downloads it"


def _counts(labels: torch.Tensor) -> str:
    if len(labels) == 0:
        return "none"
    counts = torch.bincount(labels)
    low, high = int(counts.min()), int(counts.max())
    per_class = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{len(labels):,} images, {per_class} per class"


def _few(names: list[str], shown: int = 10) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")
