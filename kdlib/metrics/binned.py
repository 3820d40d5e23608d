"""Calibration errors from bins of confidence. `probs` is (N, K), `labels` (N,).

Equal-width bins are (lo, hi], the first closed below; confidence 1.0 falls into the last. A confidence is compared with
the edges in float64 as it is given: float32's 0.2 is 0.200000003 and lies above 1/5.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kdlib.metrics._checks import checked_probs, top_label
from kdlib.registry import KdlibError


class Reliability(NamedTuple):
    """Images, mean confidence and accuracy of each bin, all (bins,); the last two are NaN where a bin is empty."""

    counts: Tensor
    confidence: Tensor
    accuracy: Tensor


def reliability(probs: Tensor, labels: Tensor, bins: int = 15) -> Reliability:
    """The reliability diagram of the top label over equal-width bins (DeGroot & Fienberg 1983).

    `probs` (N, K), `labels` (N,); gives counts, confidence and accuracy, all (bins,), NaN in empty bins. Raises
    KdlibError on unfit predictions or labels, or fewer than 1 bin.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> reliability(probs, labels, bins=2).accuracy
    tensor([   nan, 0.7500], dtype=torch.float64)
    """
    confidence, correct = top_label(*checked_probs(probs, labels))
    return _diagram(confidence, correct, equal_width(confidence, bins), bins)


def ece(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Expected calibration error of the top label: sum_m |B_m|/N |conf_m - acc_m| (Naeini et al. 2015).

    `probs` (N, K), `labels` (N,); a fraction, 0..1. Raises KdlibError on unfit predictions or labels, or fewer than 1
    bin.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> round(ece(probs, labels), 4)
    0.35
    """
    return _expected_gap(reliability(probs, labels, bins))


def adaptive_ece(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """ECE of the top label over bins of equal mass (Nguyen & O'Connor 2015); equal confidences share a bin.

    `probs` (N, K), `labels` (N,); a fraction, 0..1. Raises KdlibError on unfit predictions or labels, or fewer than 1
    bin.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> round(adaptive_ece(probs, labels, bins=2), 4)
    0.15
    """
    confidence, correct = top_label(*checked_probs(probs, labels))
    return _expected_gap(_diagram(confidence, correct, equal_mass(confidence, bins), bins))


def classwise_ece(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """The mean over the classes of the ECE of that class's probability against its frequency (Kull et al. 2019).

    `probs` (N, K), `labels` (N,); a fraction, 0..1. Raises KdlibError on unfit predictions or labels, or fewer than 1
    bin.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> round(classwise_ece(probs, labels, bins=2), 4)
    0.25
    """
    probs, labels = checked_probs(probs, labels)
    classes = probs.shape[1]
    index = equal_width(probs, bins) + bins * torch.arange(classes)  # bins of their own for each class
    is_class = F.one_hot(labels, classes).double()
    # Each class's bins hold all N images, so the gap over all bins of all classes is the mean over the classes.
    return _expected_gap(_diagram(probs.flatten(), is_class.flatten(), index.flatten(), bins * classes))


def mce(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Maximum calibration error of the top label (Naeini et al. 2015): the largest |conf_m - acc_m| of a filled bin.

    `probs` (N, K), `labels` (N,); a fraction, 0..1. Raises KdlibError on unfit predictions or labels, or fewer than 1
    bin.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> round(mce(probs, labels), 4)
    0.7
    """
    _, confidence, accuracy = _filled(reliability(probs, labels, bins))
    return (confidence - accuracy).abs().max().item()


def overconfidence_error(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Overconfidence error: sum_m |B_m|/N conf_m max(conf_m - acc_m, 0) (Thulasidasan et al. 2019).

    `probs` (N, K), `labels` (N,); a fraction, 0..1. Raises KdlibError on unfit predictions or labels, or fewer than 1
    bin.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> round(overconfidence_error(probs, labels), 4)
    0.1225
    """
    counts, confidence, accuracy = _filled(reliability(probs, labels, bins))
    return (counts * confidence * (confidence - accuracy).clamp(min=0)).sum().item() / len(labels)


def underconfidence_error(probs: Tensor, labels: Tensor, bins: int = 15) -> float:
    """sum_m |B_m|/N max(acc_m - conf_m, 0): the part of the ECE from bins that are too modest (ours, no paper's).

    `probs` (N, K), `labels` (N,); a fraction, 0..1. Raises KdlibError on unfit predictions or labels, or fewer than 1
    bin.

    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> round(underconfidence_error(probs, labels), 4)
    0.175
    """
    counts, confidence, accuracy = _filled(reliability(probs, labels, bins))
    return (counts * (accuracy - confidence).clamp(min=0)).sum().item() / len(labels)


def equal_width(confidence: Tensor, bins: int) -> Tensor:
    """The bin of each confidence, among `bins` of equal width."""
    _check_bins(bins)
    return torch.bucketize(confidence, torch.arange(1, bins, dtype=torch.float64) / bins)


def equal_mass(confidence: Tensor, bins: int) -> Tensor:
    """The bin of each confidence (N,), among `bins` of as equal mass as keeping equal confidences together allows."""
    _check_bins(bins)
    rank = torch.searchsorted(confidence.sort().values, confidence)  # of the first among equals
    return rank * bins // len(confidence)


def _diagram(confidence: Tensor, correct: Tensor, index: Tensor, bins: int) -> Reliability:
    counts = torch.bincount(index, minlength=bins)
    means = [torch.bincount(index, values, minlength=bins) / counts for values in (confidence, correct)]
    return Reliability(counts, *means)


def _filled(diagram: Reliability) -> Reliability:
    return Reliability(*(column[diagram.counts > 0] for column in diagram))


def _expected_gap(diagram: Reliability) -> float:
    counts, confidence, accuracy = _filled(diagram)
    return (counts * (confidence - accuracy).abs()).sum().item() / counts.sum().item()


def _check_bins(bins: int) -> None:
    if bins < 1:
        raise KdlibError(f"bins is {bins}: give 1 or more.")
