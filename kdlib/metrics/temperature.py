"""Post-hoc temperature scaling (Guo et al. 2017)."""

import math

import torch
from scipy.optimize import brentq
from torch import Tensor

from kdlib.metrics._checks import checked_logits
from kdlib.metrics.scores import nll

LOWEST, HIGHEST = 0.01, 100.0  # where logits that separate the classes, or that mislead, would go to 0 or infinity


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The T in 0.01..100 that minimises the NLL of logits (N, K) / T (Guo et al. 2017); never worse than T = 1 here.

    `labels` (N,). The NLL is convex in 1/T, so the sign of its slope says on which side of a log T the minimum lies.
    Raises KdlibError on other shapes, or labels outside 0 to K - 1.

    >>> logits, labels = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 0, 0])
    >>> round(fit_temperature(logits, labels), 2)  # two of three right at a confidence of 0.95: too sure
    4.33
    """
    logits, labels = checked_logits(logits, labels)
    logits = logits - logits.gather(1, labels.unsqueeze(1))  # the same NLL, and the slope loses no digits

    def slope(log_t: float) -> float:  # of the NLL in 1/T
        return (logits * torch.softmax(logits / math.exp(log_t), 1)).sum(1).mean().item()

    low, high = math.log(LOWEST), math.log(HIGHEST)
    if slope(low) <= 0:
        best = LOWEST
    elif slope(high) >= 0:
        best = HIGHEST
    else:
        best = math.exp(brentq(slope, low, high))
    return min((1.0, best), key=lambda t: nll(logits / t, labels))
