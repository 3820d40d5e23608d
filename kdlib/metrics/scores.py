"""Accuracy, proper scores, and what is built on them. `probs` is (N, K), `labels` (N,)."""

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import isotonic_regression
from torch import Tensor

from kdlib.metrics._checks import checked_logits, checked_probs, top_label
from kdlib.registry import KdlibError


class BrierDecomposition(NamedTuple):
    """Brier score = miscalibration - discrimination + uncertainty; none of the three is negative."""

    miscalibration: float
    discrimination: float
    uncertainty: float


def accuracy(probs: Tensor, labels: Tensor) -> float:
    """Share of right predictions, 0..1; of equally probable classes the first is predicted.

    `probs` (N, K), `labels` (N,). Raises KdlibError on unfit predictions or labels.

    >>> accuracy(torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([0, 1]))
    0.5
    """
    _, correct = top_label(*checked_probs(probs, labels))
    return correct.mean().item()


def nll(logits: Tensor, labels: Tensor) -> float:
    """Negative log-likelihood of logits (N, K), in nats, the mean over images (Good 1952).

    `labels` (N,). Raises KdlibError on other shapes, or labels outside 0 to K - 1.

    >>> round(nll(torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([0, 1])), 4)
    0.41
    """
    return F.cross_entropy(*checked_logits(logits, labels)).item()


def brier(probs: Tensor, labels: Tensor) -> float:
    """Brier score summed over the classes, 0..2, the mean over images (Brier 1950).

    `probs` (N, K), `labels` (N,). Raises KdlibError on unfit predictions or labels.

    >>> round(brier(torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([0, 1])), 4)
    0.37
    """
    probs, labels = checked_probs(probs, labels)
    return (probs - F.one_hot(labels, probs.shape[1])).square().sum(1).mean().item()


def brier_decomposition(probs: Tensor, labels: Tensor) -> BrierDecomposition:
    """The Brier score as MCB - DSC + UNC by isotonic recalibration, without bins (CORP: Dimitriadis et al. 2021).

    One class against the rest, summed over the classes, which makes the identity with `brier` exact. MCB is what
    recalibrating each class's probability would gain, DSC what the recalibrated ones gain over the class's frequency,
    and UNC the score of those frequencies, all 0..2. `probs` (N, K), `labels` (N,). Raises KdlibError on unfit
    predictions or labels.

    >>> parts = brier_decomposition(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), torch.tensor([0, 0, 1]))
    >>> [round(part, 4) for part in parts]
    [0.14, 0.4444, 0.4444]
    """
    probs, labels = checked_probs(probs, labels)
    is_class = F.one_hot(labels, probs.shape[1]).double()
    recalibrated = torch.stack([_isotonic(*columns) for columns in zip(probs.T, is_class.T, strict=True)], dim=1)
    forecasts = probs, recalibrated, is_class.mean(0)
    raw, best, constant = ((forecast - is_class).square().sum(1).mean().item() for forecast in forecasts)
    return BrierDecomposition(raw - best, constant - best, constant)


def harmonic_score(accuracies: Tensor, eces: Tensor) -> Tensor:
    """The harmonic mean (van Rijsbergen 1979) of accuracy and calibration over the R rows of a table: (R,), 0..1.

    2 a (1 - e) / (a + 1 - e) of each row, with a and e the table's accuracies and ECEs, min-max scaled.

    1 is the best row in both, 0 the worst in either. A column without spread is scaled to 0, as scikit-learn does. The
    two are fractions, (R,) both, or (R, N) of N tables. Raises KdlibError where their numbers differ, or one was not
    measured.

    >>> harmonic_score(torch.tensor([0.6, 0.7, 0.8]), torch.tensor([0.1, 0.05, 0.2]))
    tensor([0.0000, 0.6667, 0.0000], dtype=torch.float64)
    """
    a, e = (_min_max(torch.as_tensor(column, dtype=torch.float64)) for column in (accuracies, eces))
    if a.shape != e.shape:
        raise KdlibError(f"There are {len(a)} accuracies and {len(e)} ECEs: give one of each per row.")
    total = a + 1 - e
    return torch.where(total > 0, 2 * a * (1 - e) / total.clamp(min=1e-300), 0.0)


class Thirds(NamedTuple):
    """Something of the head's, of the middle's and of the tail's classes."""

    head: Any
    middle: Any
    tail: Any


def thirds(num_classes: int) -> Thirds:
    """The classes of each third as ranges, the most frequent in training first.

    Head and tail are K // 3 classes each, the middle is the rest: 3, 4 and 3 of 10.
    """
    if num_classes < 3:
        raise KdlibError(f"{num_classes} classes have no head, middle and tail: give 3 or more.")
    outer = num_classes // 3
    return Thirds(range(outer), range(outer, num_classes - outer), range(num_classes - outer, num_classes))


def third_accuracies(confusion: Tensor) -> Thirds:
    """Accuracies, 0..1, over the test images of head, middle and tail: `thirds` of the classes.

    `confusion` (K, K) counts images, true classes in rows, the most frequent in training first. (Liu et al. 2019 divide
    by images per class instead.) Raises KdlibError on another shape, or fewer than 3 classes.

    >>> third_accuracies([[9, 1, 0], [2, 8, 0], [4, 2, 4]])
    Thirds(head=0.9, middle=0.8, tail=0.4)
    """
    confusion = torch.as_tensor(confusion, dtype=torch.float64)
    classes = len(confusion)
    if confusion.shape != (classes, classes):
        raise KdlibError(f"A confusion matrix of shape {tuple(confusion.shape)}: give (K, K).")
    parts = map(list, thirds(classes))
    return Thirds(*[(confusion.diag()[part].sum() / confusion[part].sum()).item() for part in parts])


def _isotonic(forecast: Tensor, outcome: Tensor) -> Tensor:
    """The non-decreasing function of the forecast that is nearest to the outcome; equal forecasts stay equal."""
    _, index, counts = np.unique(forecast.numpy(), return_inverse=True, return_counts=True)
    frequency = np.bincount(index, outcome.numpy()) / counts
    return torch.from_numpy(isotonic_regression(frequency, weights=counts).x[index])


def _min_max(column: Tensor) -> Tensor:
    if column.ndim not in (1, 2) or not len(column) or column.isnan().any():
        raise KdlibError("A score needs a measured accuracy and ECE in every row, (R,): leave out those without.")
    lowest, spread = column.amin(0), column.amax(0) - column.amin(0)
    return (column - lowest) / torch.where(spread > 0, spread, 1.0)
