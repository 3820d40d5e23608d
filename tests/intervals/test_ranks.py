"""Whether two figures put rows in the same order."""

import numpy as np
import pytest

from kdlib.intervals.ranks import rank_correlation
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
