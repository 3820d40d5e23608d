"""A data set so small that training takes milliseconds: the first of the digits. Also for the tests' own processes."""

from functools import cache

import kdlib
from kdlib import Run, Term
from kdlib.data.sources import digits
from kdlib.data.storage import data_root

COUNTS = {"train": 200, "test": 100}


@cache
def _digits(split):
    images, labels, names = digits(split, data_root())
    return images[: COUNTS[split]], labels[: COUNTS[split]], names


def images_of(split, root):
    """The first of the handwritten digits."""
    return _digits(split)


kdlib.datasets.add("tiny", images_of, num_classes=10, channels=1, size=8, held_out_total=40, flip=False)


def run(epochs=3, network="cnn2", **fields):
    return Run(**{"data": "tiny", "network": network, "epochs": epochs, "batch_size": 32, **fields})


def teacher(**fields):
    return run(2, "resnet8", seed=7, **fields)


def study(epochs=3):
    """Students of every kind of objective, of two lengths and widths, all in one cohort, and their two teachers."""
    first, second = teacher(), teacher(width=None, lr=0.05)
    labels = Term("cross_entropy", 0.5)
    return [
        run(epochs),
        run(epochs + 1, seed=1, width=4),
        run(epochs, objective=[labels, Term("kd", 0.5, temperature=2)], teachers=[first]),
        run(epochs, objective=[labels, Term("soft_cross_entropy", 0.5, teacher=1)], teachers=[first, second]),
        run(epochs - 1, objective=[labels, Term("similarity_preserving", 3000)], teachers=[second], seed=2),
        run(epochs, objective=[Term("confidence_penalty", 0.5), Term("crd", 0.5)], teachers=[second]),
    ]


def train(runs, store, threads=1, **options):
    """kdlib.train, with a row per run."""
    table = kdlib.train(runs, threads=threads, store=store, **options)
    assert list(table["key"]) == [run.key for run in runs]
    return table


def bits(store, runs):
    """All that must be the same: weights, logits and history of every run that has a record."""
    found = {}
    for run in runs:
        if record := store.record(run.key):
            logits = {k: v.tobytes() for k, v in (store.logits(run.key) or {}).items()}
            found[run.key] = record.get("weights"), logits, record["history"], record["taught_by"]
    return found
