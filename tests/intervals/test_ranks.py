"""Whether two figures put rows in the same order."""

import math

import numpy as np
import pytest
from scipy import stats

from kdlib import draws
from kdlib.intervals.comparisons import TEST_IMAGES_ONLY
from kdlib.intervals.measurements import unbiased
from kdlib.intervals.noise import TrainingNoise
from kdlib.intervals.ranks import best_columns, rank_correlation
from kdlib.registry import KdlibError


def test_rank_correlations_cover_the_truth():
    """Of normal pairs with a correlation of .5, whose rank correlation is 6/pi asin(1/4): 95% within four errors."""
    truth, rng = 6 / np.pi * np.arcsin(0.25), np.random.default_rng(1)
    held = []
    for _ in range(400):
        first, other = rng.normal(size=(2, 60))
        found = rank_correlation(first, 0.5 * first + 0.75**0.5 * other)
        held.append(found.low <= truth <= found.high)
    assert abs(np.mean(held) - 0.95) < 4 * (0.95 * 0.05 / 400) ** 0.5
    same = rank_correlation([1, 2, 3, 4], [2, 4, 6, 8])
    assert (same.estimate, same.low, same.high) == (1, 1, 1)
    with pytest.raises(KdlibError, match="give at least four"):
        rank_correlation([1, 2, 3], [1, 2, 3])


def test_cells_that_share_their_levels_are_resampled_by_them():
    """Both figures hang on a table's columns alone, which agree by chance: 9 columns are 9 draws, not 45."""
    rng, held = np.random.default_rng(0), {"cells": [], "levels": []}
    alphas, temperatures = np.arange(5).repeat(9), np.tile(np.arange(9), 5)
    for _ in range(60):
        first, second = rng.normal(size=(2, 9))[:, temperatures] + 0.1 * rng.normal(size=(2, 45))
        for way, factors in [("cells", ()), ("levels", (alphas, temperatures))]:
            found = rank_correlation(first, second, factors)
            held[way].append(found.low <= 0 <= found.high)
    assert np.mean(held["cells"]) < 0.7
    assert np.mean(held["levels"]) > 0.85
    assert found.kind == "45 cells, resampled by 5 and 9 levels"


def test_levels_may_be_anything_that_can_be_told_apart():
    levels = [("a", True), ("b", False), ("a", False), ("b", True), ("c", True), ("c", False)]
    by_name, by_flag = zip(*levels, strict=True)
    found = rank_correlation([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5], [by_name, by_flag])
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert found == rank_correlation([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5], [by_name, by_flag])


NOISE = TrainingNoise(observed=0.02**2, images=0.01**2, degrees_of_freedom=4, rows=2)


def table_of(values, repeats=1, spread=0.01, seed=0):
    """Rows of cells of so many repeats, each with test images of its own."""
    rng = np.random.default_rng(seed)
    return [
        [{r: unbiased(value, value + rng.normal(0, spread, 500)) for r in range(repeats)} for value in row]
        for row in values
    ]


def peaked(best, columns=5, height=0.02):
    """Accuracies whose best columns are these."""
    return 0.5 + height * (np.arange(columns) == np.array(best)[:, None])


def spearman(best):
    """Of a table's rows and their best columns, 0 being the first."""
    return stats.spearmanr(range(len(best)), best).statistic if len(set(best)) > 1 else math.nan


def slow_luck(noise, shape):
    """What training does to each cell (rows, columns, 500) that ran once, from the same uniform draws."""
    known_by = stats.norm.ppf(
        draws.uniform(noise.degrees_of_freedom * 500, "variance of training noise", "best columns")
    )
    chi_square = (known_by.reshape(noise.degrees_of_freedom, 500) ** 2).sum(0)
    variance = (noise.observed * noise.degrees_of_freedom / chi_square - noise.images).clip(0)
    return stats.norm.ppf(draws.uniform(math.prod(shape), "best columns")).reshape(shape) * np.sqrt(variance)


@pytest.mark.parametrize("repeats", [1, 3])
@pytest.mark.parametrize("noise", [None, NOISE], ids=["images", "training"])
def test_best_columns_by_a_slow_recomputation(noise, repeats):
    table = table_of(peaked([4, 2, 3, 0]), repeats)
    luck = slow_luck(noise, (4, 5, 500)) if noise else np.zeros((4, 5, 500))
    trends = []
    for replicate in range(500):
        best = []
        for row, lucky in zip(table, luck, strict=True):
            resampled = [np.mean([one.replicates[replicate] for one in cell.values()]) for cell in row]
            best.append(int(np.argmax(resampled + lucky[:, replicate] / math.sqrt(repeats))))
        trends.append(spearman(best))
    found = best_columns(table, noise)
    assert found.estimate == pytest.approx(-0.8)  # of (4, 2, 3, 0) and 1 to 4: 1 - 6 * 18 / 60
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(np.nan_to_num(trends), [0.025, 0.975])))


def test_best_columns_fall_rise_and_tie():
    assert [best_columns(table_of(peaked(best), spread=0)).estimate for best in ([3, 2, 1, 0], [0, 1, 2, 4])] == [-1, 1]
    tied = best_columns(table_of(peaked([3, 3, 1, 0]), spread=0))  # ranks 3.5, 3.5, 2, 1
    assert tied.estimate == pytest.approx(-4.5 / math.sqrt(4.5 * 5))
    assert (tied.low, tied.high) == pytest.approx((tied.estimate, tied.estimate))  # no noise, no width


@pytest.mark.parametrize("noise", [None, NOISE], ids=["images", "training"])
def test_one_best_column_has_no_order(noise):
    found = best_columns(table_of(peaked([2, 2, 2, 2])), noise)
    assert np.isnan([found.estimate, found.low, found.high]).all()


def test_a_trend_that_hangs_on_one_narrow_lead_is_not_sure():
    """Three rows are surely best in the third column, the last one in the second by a hair: in half of the draws all
    four have one best column, which is no order."""
    values = peaked([2, 2, 2, 1], height=0.2)
    values[3, 2] = values[3, 1] - 1e-4
    found = best_columns(table_of(values), NOISE)
    assert found.estimate == pytest.approx(-math.sqrt(0.6))
    assert found.low == found.estimate and found.high == 0


def test_best_columns_decide_nothing_without_training_noise():
    table = table_of(peaked([3, 2, 1, 0], height=0.05))
    of_images, of_training = best_columns(table), best_columns(table, NOISE)
    assert of_images.kind == TEST_IMAGES_ONLY and not of_images.decides
    assert of_training.decides and of_training.high > of_images.high
    assert best_columns(table_of(peaked([3, 2, 1, 0], height=0.05), repeats=9), NOISE).high < of_training.high
