"""Whether two figures put rows in the same order."""

import math
from collections.abc import Hashable, Iterable

import numpy as np
from scipy.special import ndtri

from kdlib import draws
from kdlib.intervals.comparisons import TAILS, Interval
from kdlib.registry import KdlibError

_DRAWS = 2000  # of levels


def rank_correlation(
    first: Iterable[float], second: Iterable[float], factors: Iterable[Iterable[Hashable]] = ()
) -> Interval:
    """Spearman's. Over pairs taken as independent in the interval of Bonett & Wright (2000); where they are the cells
    of a table, `factors` name each cell's level of every factor, and whole levels are resampled (the pigeonhole
    bootstrap, Owen 2007). KdlibError below four pairs."""
    from scipy.stats import spearmanr  # takes longer to import than all the rest here

    first, second = np.asarray(first, float), np.asarray(second, float)
    if len(first) < 4:
        raise KdlibError(f"A rank correlation of {len(first)} pairs: give at least four.")
    found = spearmanr(first, second).statistic
    if factors := [np.unique(np.asarray(levels).astype(str), return_inverse=True)[1] for levels in factors]:
        kind = f"{len(first)} cells, resampled by {' and '.join(str(levels.max() + 1) for levels in factors)} levels"
        return Interval(found, *_resampled_by_levels(first, second, factors), kind)
    kind = f"{len(first)} pairs"
    if abs(found) == 1:
        return Interval(found, found, found, kind)
    half = ndtri(TAILS[1]) * math.sqrt((1 + found**2 / 2) / (len(first) - 3))
    low, high = np.tanh([math.atanh(found) - half, math.atanh(found) + half])
    return Interval(found, low, high, kind)


def _resampled_by_levels(first: np.ndarray, second: np.ndarray, factors: list[np.ndarray]) -> np.ndarray:
    """Percentiles over draws of levels; draws in which nothing varies are left out."""
    weights = np.prod([_drawn(levels, number) for number, levels in enumerate(factors)], axis=0)
    deviations = [_weighted_ranks(values, weights) for values in (first, second)]
    covariance, *variances = (
        (weights * one * other).sum(1)
        for one, other in [(deviations[0], deviations[1]), *((each, each) for each in deviations)]
    )
    scale = np.sqrt(variances[0] * variances[1])
    varies = scale > 1e-9 * scale.max()
    return np.quantile(covariance[varies] / scale[varies], TAILS)


def _drawn(levels: np.ndarray, number: int) -> np.ndarray:
    """How often each cell's level comes in every draw: (_DRAWS, cells)."""
    size = levels.max() + 1
    chosen = (draws.uniform(_DRAWS * size, "levels", number).reshape(_DRAWS, size) * size).astype(int)
    return (chosen[:, :, None] == np.arange(size)).sum(1)[:, levels]


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The middle ranks of cells that each come so often, less their mean: (_DRAWS, cells)."""
    _, group = np.unique(values, return_inverse=True)
    sizes = weights @ np.eye(group.max() + 1)[group]
    ranks = (sizes.cumsum(1) - sizes / 2)[:, group]
    total = weights.sum(1, keepdims=True)
    return ranks - (weights * ranks).sum(1, keepdims=True) / np.maximum(total, 1)
