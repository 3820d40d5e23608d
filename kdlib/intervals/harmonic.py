"""The harmonic score of accuracy and calibration over a table, with intervals: study A's ranking.

A score is scaled by the best and the worst row of its table, so that every row's noise is in it. It is therefore
recomputed in every bootstrap replicate of the whole table, each row with a draw of training noise of its own, whose
variance is drawn too: it was estimated, by few repeats.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import astuple, dataclass, is_dataclass, replace

import numpy as np

from kdlib import draws
from kdlib.intervals import comparisons
from kdlib.intervals.comparisons import TEST_IMAGES_ONLY, Interval, TrainingNoise, borrowed_from
from kdlib.intervals.measurements import Measurement, Row, average, unbiased
from kdlib.metrics import harmonic_score


@dataclass(frozen=True, eq=False)
class Scores:
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
    made = [unbiased(row[0], row[1:], ceiling=1.0) for row in found]
    return Scores(dict(zip(table, made, strict=True)), _kind(noises))


def interval(scores: Scores, name: Hashable) -> Interval:
    """The score of one row."""
    return replace(comparisons.interval({0: scores.of[name]}), kind=scores.kind)


def mean_difference(
    scores: Scores, pairs: Iterable[tuple[Hashable, Hashable]], clusters: Iterable[Hashable] | None = None
) -> Interval:
    """The mean over pairs of rows of first minus second; `clusters` as in `comparisons.mean_difference`.

    All pairs are scaled by the same two rows at each end, whose luck their spread does not show: without known training
    noise it decides nothing.
    """
    measured = [({0: scores.of[one]}, {0: scores.of[other]}) for one, other in pairs]
    found = comparisons.mean_difference(measured, clusters)
    return found if scores.kind != TEST_IMAGES_ONLY else replace(found, kind=TEST_IMAGES_ONLY)


def _kind(noises: Mapping[str, TrainingNoise | None]) -> str:
    known = [noise.rows for noise in noises.values() if noise]
    if len(known) < len(noises):
        return TEST_IMAGES_ONLY
    return f"test images and training: {borrowed_from(max(known))}"


def _samples(table: Mapping[Hashable, Mapping[str, Row]], metric: str, noise: TrainingNoise | None) -> np.ndarray:
    """Each row's figure as measured, then its replicates: (rows, 1 + replicates)."""
    means = [average(row[metric].values()) for row in table.values()]
    # Resampling adds noise, and to an ECE noise is bias: only around the measured value are rows of different
    # calibration scaled by comparable figures.
    replicates = np.stack([mean.value + mean.replicates - mean.replicates.mean() for mean in means])
    if noise:
        count = replicates.shape[1]
        spread = noise.drawn(count, metric)
        for own, (name, row) in zip(replicates, table.items(), strict=True):
            luck = draws.normal(count, "training noise", metric, _values(name))
            own += luck * spread / math.sqrt(len(row[metric]))
    return np.column_stack([[mean.value for mean in means], replicates])


def _values(name: Hashable) -> Hashable:
    """What keys a row's luck: its fields alone, or a figure would hang on what their class is called."""
    return astuple(name) if is_dataclass(name) else name
