"""The harmonic score of accuracy and calibration over a table, with intervals: study A's ranking.

A score is scaled by the best and the worst row of its table, so that every row's noise is in it. It is therefore
recomputed in every bootstrap replicate of the whole table, each row with a draw of training noise of its own, whose
variance is drawn too: it was estimated, by few repeats.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from kdlib import draws
from kdlib.intervals import comparisons as evidence
from kdlib.intervals.comparisons import (
    LEVEL,
    TEST_IMAGES_ONLY,
    Interval,
    Measurement,
    Row,
    TrainingNoise,
    borrowed_from,
)
from kdlib.metrics import harmonic_score

_LOW, _HIGH = (1 - LEVEL) / 2, (1 + LEVEL) / 2


class Scores(NamedTuple):
    """The harmonic scores of one table's rows, and in words what their replicates take into account."""

    of: dict[Hashable, Measurement]
    kind: str


def scores(table: Mapping[Hashable, Mapping[str, Row]], noises: Mapping[str, TrainingNoise | None]) -> Scores:
    """The score of each row of a table; `table` and `noises` hold "accuracy" and "ece" of each row and of the study.

    128 rows with 500 replicates take 50 ms. Where a noise is None, the replicates are of test images only.
    """
    if not table:
        return Scores({}, TEST_IMAGES_ONLY)
    columns = zip(*(_samples(table, metric, noises[metric]).T for metric in ("accuracy", "ece")), strict=True)
    found = np.stack([harmonic_score(accuracy, ece).numpy() for accuracy, ece in columns], axis=1)
    known = [noise.rows for noise in noises.values() if noise]
    kind = TEST_IMAGES_ONLY
    if len(known) == len(noises):
        kind = f"test images and training: {borrowed_from(max(known))}"
    made = [Measurement(row[0], row[1:], row[0], row[0], ceiling=1.0) for row in found]
    return Scores(dict(zip(table, made, strict=True)), kind)


def interval(scores: Scores, name: Hashable) -> Interval:
    """The score of one row."""
    return evidence.interval({0: scores.of[name]})._replace(kind=scores.kind)


def mean_difference(
    scores: Scores, pairs: Iterable[tuple[Hashable, Hashable]], shared: Iterable[Hashable] | None = None
) -> Interval:
    """The mean over pairs of rows of first minus second; `shared` as in `evidence.mean_difference`.

    All pairs are scaled by the same two rows at each end, whose luck their spread does not show: without known training
    noise it decides nothing.
    """
    found = evidence.mean_difference((({0: scores.of[one]}, {0: scores.of[other]}) for one, other in pairs), shared)
    return found if scores.kind != TEST_IMAGES_ONLY else found._replace(kind=TEST_IMAGES_ONLY)


def lead(scores: Scores, name: Hashable) -> Interval:
    """The row's score minus that of the best other row: multiple comparisons with the best (after Hsu 1984).

    The best of many looks better than it is, and better still after resampling: percentiles of the difference to each
    replicate's best say of one of 32 equally good rows that it is not the best in 3 of 4 simulated tables; these here
    in about 1 of 100. The row is ahead if it is ahead of each other row, so the lower end is the lowest of
    the differences' own; it is behind if any is better, so the upper ends hold for all differences at once.
    """
    mine, others = scores.of[name], [score for other, score in scores.of.items() if other != name]
    ahead = np.array([mine.value - other.value for other in others])
    deviations = np.stack([mine.replicates - other.replicates for other in others])
    deviations -= deviations.mean(axis=1, keepdims=True)
    errors = deviations.std(axis=1, ddof=1, keepdims=True)
    standardised = np.divide(-deviations, errors, out=np.zeros_like(deviations), where=errors > 0)
    low = (ahead + np.quantile(deviations, _LOW, axis=1)).min()
    high = (ahead + np.quantile(standardised.max(axis=0), _HIGH) * errors[:, 0]).min()
    return Interval(ahead.min(), low, high, scores.kind)


def _samples(table: Mapping[Hashable, Mapping[str, Row]], metric: str, noise: TrainingNoise | None) -> np.ndarray:
    """Each row's figure as measured, then its replicates: (rows, 1 + replicates)."""
    means = [evidence.average(row[metric].values()) for row in table.values()]
    # Resampling adds noise, and to an ECE noise is bias: only around the measured value are rows of different
    # calibration scaled by comparable figures.
    replicates = np.stack([mean.value + mean.replicates - mean.replicates.mean() for mean in means])
    if noise:
        count = replicates.shape[1]
        spread = noise.drawn(count, metric)
        for own, (name, row) in zip(replicates, table.items(), strict=True):
            own += draws.normal(count, "training noise", metric, name) * spread / math.sqrt(len(row[metric]))
    return np.column_stack([[mean.value for mean in means], replicates])
