"""Records made for a test: as much of them as tables, comparisons, rules of claims and footnotes read."""

import numpy as np

from kdlib import metrics
from kdlib.metrics.resampling import REPLICATES, bootstrap_scores

# What the draw of the test images does to every network alike: all are measured on the same ones.
TEST_IMAGES = np.random.default_rng(0).normal(0, 0.004, REPLICATES)


def record(accuracy=0.7, ece=0.1, *, held_out=None, bootstrap=None, device="cpu", cpu="A", taught_by=None, **spec):
    """The record of a finished run. All images are in one overconfident bin, so that noise explains none of its gap.

    `held_out` is the accuracy on held-out images (None: that on test images); `bootstrap` has replicates by metric
    (None: `replicates` of accuracy and ECE); `taught_by` has weights' digests by teachers' keys; `spec` is the run's.
    """
    figures = {"accuracy": accuracy, "ece": ece}
    return {
        "key": "made for the test",
        "status": "finished",
        "spec": {"data": "cifar10"} | spec,
        "metrics": {"last": {"raw": figures, "held_out": {"accuracy": accuracy if held_out is None else held_out}}},
        "bootstrap": bootstrap or {name: replicates(value).tolist() for name, value in figures.items()},
        "reliability": {"counts": [10_000], "confidence": [accuracy + ece], "accuracy": [accuracy]},
        "provenance": {"device": device, "cpu": cpu, "seconds": 1.0},
        "taught_by": taught_by or {},
    }


def repeats(*accuracies, **fields):
    """A row: its records by repeat, one for each accuracy."""
    return {repeat: record(accuracy, **fields) for repeat, accuracy in enumerate(accuracies)}


def replicates(value, luck=None, spread=0.001):
    """A figure on resampled test images: the images' part, which is everyone's, and one of the network's own, drawn
    by its `luck`, a whole number (None: by the value)."""
    luck = int(1e6 * value) if luck is None else luck
    return value + TEST_IMAGES + np.random.default_rng(luck).normal(0, spread, REPLICATES)


def measured(logits, labels, **fields):
    """The record of a run with these test logits (N, K) and labels (N,): measured as real ones are."""
    probs = logits.double().softmax(1)
    of_probs = {name: getattr(metrics, name)(probs, labels) for name in ("accuracy", "ece", "brier")}
    raw = of_probs | {"nll": metrics.nll(logits, labels)}
    bins = metrics.reliability(probs, labels)._asdict()
    return record(raw["accuracy"], raw["ece"], **fields) | {
        "metrics": {"last": {"raw": raw, "held_out": {"accuracy": raw["accuracy"]}}},
        "bootstrap": bootstrap_scores(logits, labels),
        "reliability": {name: _without_nan(column.tolist()) for name, column in bins.items()},
    }


def _without_nan(values):
    """As in JSON, which has no NaN."""
    return [None if value != value else value for value in values]
