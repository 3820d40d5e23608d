"""Whether two figures put rows in the same order."""

import math
from collections.abc import Hashable, Iterable

import numpy as np
from scipy.special import ndtri

from kdlib import draws
from kdlib.intervals.comparisons import TAILS, Interval
from kdlib.registry import KdlibError


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
    """Percentiles over 1,000 draws of levels; a draw of one level alone, in which nothing varies, is left out."""
    from scipy.stats import rankdata

    found = []
    for replicate in range(1000):
        weights = np.ones(len(first), int)
        for number, levels in enumerate(factors):
            size = levels.max() + 1
            drawn = (draws.uniform(size, "levels", number, replicate) * size).astype(int)
            weights *= np.bincount(drawn, minlength=size)[levels]
        ranks = [rankdata(each.repeat(weights)) for each in (first, second)]
        if all(each.std() for each in ranks):
            found.append(np.corrcoef(*ranks)[0, 1])
    return np.quantile(found, TAILS)
