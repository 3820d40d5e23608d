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
from kdlib.intervals.comparisons import TEST_IMAGES_ONLY, Interval
from kdlib.intervals.measurements import Measurement, Row, average, unbiased
from kdlib.intervals.noise import TrainingNoise, borrowed_from
from kdlib.metrics import harmonic_score


@dataclass(frozen=True, eq=False)
class Scores:
    """The harmonic scores of one table's rows, and in words what their replicates take into account."""

    of: dict[Hashable, Measurement]
    kind: str
    noise: TrainingNoise | None = None  # of one training's score
    repeats: int = 1  # that all rows have


def scores(table: Mapping[Hashable, Mapping[str, Row]], noises: Mapping[str, TrainingNoise | None]) -> Scores:
    """The score of each row of a table; `table` and `noises` hold "accuracy" and "ece" of each row and of the study.

    128 rows with 500 replicates take 40 ms. Where a noise is None, the replicates are of test images only.
    """
    if not table:
        return Scores({}, TEST_IMAGES_ONLY)
    columns = {metric: _samples(table, metric, noises[metric]) for metric in ("accuracy", "ece")}
    found, of_images = (_each_sample(columns, luck) for luck in (1, 0))
    made = [unbiased(row[0], row[1:], ceiling=1.0) for row in found]
    noise = _noise_of_a_score(found - of_images, table, noises) if all(noises.values()) else None
    repeats = min(len(row["accuracy"]) for row in table.values())
    return Scores(dict(zip(table, made, strict=True)), _kind(noises), noise, repeats)


def interval(scores: Scores, name: Hashable) -> Interval:
    """The score of one row."""
    return replace(comparisons.interval({0: scores.of[name]}), kind=scores.kind)


def mean_difference(
    scores: Scores, pairs: Iterable[tuple[Hashable, Hashable]], clusters: Iterable[Hashable] | None = None
) -> Interval:
    """The mean over pairs of rows of first minus second; `clusters` as in `comparisons.mean_difference`.

    All pairs are scaled by the same two rows at each end, whose luck their spread does not show: without known training
    noise it decides nothing. Rows are drawn as if each had luck of its own; what those of one seed have in common is
    added, as there.
    """
    seeds = range(scores.repeats)
    measured = [(dict.fromkeys(seeds, scores.of[one]), dict.fromkeys(seeds, scores.of[other])) for one, other in pairs]
    return comparisons.mean_difference(measured, clusters, scores.noise)


def _kind(noises: Mapping[str, TrainingNoise | None]) -> str:
    known = [noise.rows for noise in noises.values() if noise]
    if len(known) < len(noises):
        return TEST_IMAGES_ONLY
    return f"test images and training: {borrowed_from(max(known))}"


def _samples(
    table: Mapping[Hashable, Mapping[str, Row]], metric: str, noise: TrainingNoise | None
) -> tuple[np.ndarray, np.ndarray]:
    """Each row's figure as measured, then its replicates of the test images, and the luck of its training in each of
    them: two arrays (rows, 1 + replicates)."""
    means = [average(row[metric].values()) for row in table.values()]
    # Resampling adds noise, and to an ECE noise is bias: only around the measured value are rows of different
    # calibration scaled by comparable figures.
    replicates = np.stack([mean.value + mean.replicates - mean.replicates.mean() for mean in means])
    luck = np.zeros_like(replicates)
    if noise:
        count = replicates.shape[1]
        spread = noise.drawn(count, metric)
        for own, (name, row) in zip(luck, table.items(), strict=True):
            drawn = draws.normal(count, "training noise", metric, _values(name))
            own += drawn * spread / math.sqrt(len(row[metric]))
    as_measured = np.array([[mean.value] for mean in means])
    return np.hstack([as_measured, replicates]), np.hstack([np.zeros_like(as_measured), luck])


def _each_sample(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], luck: int) -> np.ndarray:
    """The harmonic scores of all rows, sample by sample: (rows, samples); without the luck of training at `luck` 0."""
    return harmonic_score(*(values + luck * drawn for values, drawn in columns.values())).numpy()


def _noise_of_a_score(
    luck: np.ndarray, table: Mapping[Hashable, Mapping[str, Row]], noises: Mapping[str, TrainingNoise]
) -> TrainingNoise:
    """Of one training, by what the luck of their rows does to the scores, `luck` (rows, samples)."""
    repeats = [len(row["accuracy"]) for row in table.values()]
    variance = float(np.mean(luck.var(axis=1, ddof=1) * repeats))
    least = min(noises.values(), key=lambda noise: noise.degrees_of_freedom)
    return TrainingNoise(variance, 0.0, least.degrees_of_freedom, least.rows)


def _values(name: Hashable) -> Hashable:
    """What keys a row's luck: its fields alone, or a figure would hang on what their class is called."""
    return astuple(name) if is_dataclass(name) else name
