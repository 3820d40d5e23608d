"""Post-hoc temperature scaling (Guo et al. 2017)."""

import math

import torch
import torch.nn.functional as F
from scipy.optimize import brentq
from torch import Tensor

from kdlib.metrics._checks import checked_logits
from kdlib.registry import KdlibError

LOWEST, HIGHEST = 0.01, 100.0  # where logits that separate the classes, or that mislead, would go to 0 or infinity


def fit_temperature(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> float:
    """The T in 0.01..100 that minimises the NLL of logits (N, K) / T (Guo et al. 2017); never worse than T = 1 here.

    `labels` (N,). With `weights` (N,), an image counts as much as its weight: one of weight 2 as two of weight 1. The
    NLL is convex in 1/T, so the sign of its slope says on which side of a log T the minimum lies. Raises KdlibError on
    other shapes, labels outside 0 to K - 1, and weights that are negative or all 0.

    >>> logits, labels = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 0, 0])
    >>> round(fit_temperature(logits, labels), 2)  # two of three right at a confidence of 0.95: too sure
    4.33
    """
    logits, labels = checked_logits(logits, labels)
    logits = logits - logits.gather(1, labels.unsqueeze(1))  # the same NLL, and the slope loses no digits
    shares = _shares(weights, labels)

    def slope(log_t: float) -> float:  # of the NLL in 1/T
        return (shares * (logits * torch.softmax(logits / math.exp(log_t), 1)).sum(1)).mean().item()

    def nll(t: float) -> float:
        return (shares * F.cross_entropy(logits / t, labels, reduction="none")).mean().item()

    low, high = math.log(LOWEST), math.log(HIGHEST)
    if slope(low) <= 0:
        best = LOWEST
    elif slope(high) >= 0:
        best = HIGHEST
    else:
        best = math.exp(brentq(slope, low, high))
    return min((1.0, best), key=nll)


def _shares(weights: Tensor | None, labels: Tensor) -> Tensor:
    """The weights (N,) with a mean of 1, in float64; of all images alike where there are none."""
    if weights is None:
        return torch.ones(len(labels), dtype=torch.float64)
    weights = torch.as_tensor(weights, dtype=torch.float64, device="cpu")
    if weights.shape != labels.shape:
        raise KdlibError(f"Weights have shape {tuple(weights.shape)}: give one an image, ({len(labels)},).")
    if not (weights.min() >= 0 and 0 < weights.sum() < math.inf):  # NaN fails too
        raise KdlibError("The weights are negative, all 0 or not finite: give 0 or more, and one above 0.")
    return weights / weights.mean()
