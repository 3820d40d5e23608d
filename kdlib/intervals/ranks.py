"""Whether two figures put rows in the same order."""

import math
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from scipy.special import ndtri

from kdlib import draws
from kdlib.intervals.comparisons import TAILS, TEST_IMAGES_ONLY, Interval
from kdlib.intervals.measurements import Row, average
from kdlib.intervals.noise import TrainingNoise
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


def best_columns(table: Sequence[Sequence[Row]], noise: TrainingNoise | None = None) -> Interval:
    """Spearman's correlation of a row's place in the table and the place of its best column, more being better, over
    resampled images and, with the `noise` of a training, trainings. NaN where the best column is the same
    everywhere; a draw in which it is counts as 0, no order: left out, it would leave the others sure of theirs."""
    means = [[average(cell.values()) for cell in row] for row in table]
    values = np.array([[[mean.value] for mean in row] for row in means])
    replicates = np.array([[mean.replicates for mean in row] for row in means])
    if noise:
        count = replicates.shape[-1]
        spread, size = noise.drawn(count, "best columns"), [[[len(cell)] for cell in row] for row in table]
        luck = draws.normal(replicates.size, "best columns").reshape(replicates.shape)
        replicates = replicates + spread * luck / np.sqrt(size)
    estimate, trends = _trend(values)[0], _trend(replicates)
    kind = "test images and training" if noise else TEST_IMAGES_ONLY
    if np.isnan(estimate):
        return Interval(estimate, np.nan, np.nan, kind)
    return Interval(estimate, *np.quantile(np.nan_to_num(trends), TAILS), kind)


def _trend(values: np.ndarray) -> np.ndarray:
    """Of each of n tables (rows, columns, n); NaN where all rows have one best column."""
    from scipy.stats import rankdata

    best = rankdata(values.argmax(1), axis=0) - (len(values) + 1) / 2
    places = np.arange(len(values)) - (len(values) - 1) / 2
    scale = np.sqrt((best**2).sum(0) * (places**2).sum())
    return np.divide(places @ best, scale, out=np.full(len(scale), np.nan), where=scale > 0)


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
