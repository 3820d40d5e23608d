"""What a binned calibration error shows where there is nothing to show."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from kdlib.metrics._checks import confidences
from kdlib.metrics.binned import equal_width

_AT_A_TIME = 4_000_000  # random numbers, 16 MB


class NoiseFloor(NamedTuple):
    """Mean and 95% level of the ECE of a perfectly calibrated predictor."""

    mean: float
    level95: float


def ece_noise_floor(
    probs: Tensor,
    bins: int = 15,
    draws: int = 1000,
    seed: int = 0,
    binning: Callable[[Tensor, int], Tensor] = equal_width,
) -> NoiseFloor:
    """The ECE that a perfectly calibrated predictor with these confidences would score by chance.

    Each draw makes every image of `probs` (N, K) right with the probability of its confidence, independently. The
    generator is its own (consistency resampling: Broecker & Smith 2007). `binning` is binned.equal_width for `ece`,
    binned.equal_mass for `adaptive_ece`. Gives the mean and the 95% level, both fractions, 0..1. Raises KdlibError on
    predictions of another shape or outside 0..1, or fewer than 1 bin.

    >>> floor = ece_noise_floor(torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]))
    >>> round(floor.mean, 2), round(floor.level95, 2)
    (0.35, 0.55)
    """
    confidence = confidences(probs).sort().values  # so that the order of the images does not matter
    counts = torch.bincount(binning(confidence, bins), minlength=bins).tolist()
    expected = _sums(confidence.unsqueeze(0), counts)
    generator = torch.Generator().manual_seed(seed)
    chance = confidence.float()
    at_once = max(1, _AT_A_TIME // len(chance))
    sampled = []
    for start in range(0, draws, at_once):
        shape = (min(at_once, draws - start), len(chance))
        sampled.append(_sums((torch.rand(shape, generator=generator) < chance).float(), counts))
    eces = (torch.cat(sampled) - expected).abs().sum(1) / len(chance)
    return NoiseFloor(eces.mean().item(), eces.quantile(0.95).item())


def _sums(values: Tensor, counts: list[int]) -> Tensor:
    """Sums (draws, bins) of values (draws, N) whose images are sorted into bins of the given counts."""
    return torch.stack([part.sum(1) for part in values.split(counts, dim=1)], dim=1)
