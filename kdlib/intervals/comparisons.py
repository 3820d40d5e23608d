"""What a figure is worth: 95% intervals from the bootstrap replicates that records keep.

A figure is uncertain by the test images and by training noise. With R repeats of a row

    variance of their mean = bootstrap variance of the mean + training variance / R
    training variance = variance between the repeats - the part of it that the images make,

since two networks err on different images, and the bootstrap has counted that already: adding the whole variance
between repeats covers more than 99% instead of 95%. Quantiles are Student's t with the degrees of freedom of
Satterthwaite (1946) and Welch (1947). A training variance can be borrowed from other rows: it is never left out.

Rows of one seed are no replicates of training, however many they are. How much of a seed's luck they share cannot be
told from five seeds (on study A's repeated rows: correlations between -.9 and +.96, 0 on average), so that a mean over
pairs takes the worst case: it carries the whole training noise of one pair, which shrinks with the number of seeds
alone. A teacher's luck is one draw for all of its students.

What an ECE is too large by: kdlib.intervals.measurements. The measured coverage of all this: kdlib.intervals.coverage.
"""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from kdlib.intervals.measurements import Measurement, Row, average
from kdlib.intervals.noise import TrainingNoise, borrowed_from, training_noise
from kdlib.words import count

LEVEL = 0.95
TAILS = (1 - LEVEL) / 2, (1 + LEVEL) / 2
TEST_IMAGES_ONLY = "test images only"
ONE_SEED = "over configurations, one seed"
_FEW = 3  # repeats below which a borrowed training variance is better than the row's own, and pairs tell nothing of it


@dataclass(frozen=True)
class Interval:
    """A figure as measured, both ends of its 95% interval, and in words what the interval takes into account.

    An ECE's interval is that of the population's binned ECE. On a sample it comes out larger: with several repeats the
    estimate can stand above its interval.
    """

    estimate: float
    low: float
    high: float
    kind: str

    @property
    def decides(self) -> bool:
        """Whether a claim may rest on it: without training noise, not."""
        return self.kind not in (TEST_IMAGES_ONLY, ONE_SEED)

    @property
    def half_width(self) -> float:
        """The smallest difference from 0 that it could have told."""
        return (self.high - self.low) / 2

    def scaled(self, unit: float) -> "Interval":
        """The same in another unit: `scaled(100)` of a fraction is in percent."""
        return replace(self, estimate=unit * self.estimate, low=unit * self.low, high=unit * self.high)

    def clipped(self, ceiling: float) -> "Interval":
        """With ends from 0 to the ceiling, where the metric can be."""
        return replace(self, low=max(self.low, 0.0), high=min(max(self.high, 0.0), ceiling))


def interval(row: Row, noise: TrainingNoise | None = None) -> Interval:
    """The mean of a row's repeats. `noise`, of its study, is borrowed where the row has fewer than three repeats."""
    mean = average(row.values())
    return _interval(mean, [_source(row, noise)]).clipped(mean.ceiling)


def difference(
    row: Row, other: Row, noise: TrainingNoise | None = None, teacher: TrainingNoise | None = None
) -> Interval:
    """Row minus other row, on the same test images.

    Over the repeats that both have, where these are three or more, it is taken repeat by repeat: repeat r has the same
    seed and the same batches in both, and what luck these bring to both cancels. Otherwise the training noise of the
    two is taken as independent, and `noise` is borrowed where a row has fewer than three repeats. `teacher` is the
    luck of the one teacher that one of the two rows has and the other has not.
    """
    luck = [_Source(teacher, 1, f"a teacher's luck from {count(teacher.rows, 'group')}")] if teacher else []
    shared = row.keys() & other.keys()
    if len(shared) >= _FEW or (row.keys() == other.keys() and not noise):
        paired = {repeat: row[repeat] - other[repeat] for repeat in sorted(shared)}
        return _interval(average(paired.values()), [_source(paired, None), *luck])
    apart = average(row.values()) - average(other.values())
    return _interval(apart, [_source(row, noise), _source(other, noise), *luck])


def mean_difference(
    pairs: Iterable[tuple[Row, Row]],
    clusters: Iterable[Hashable] | None = None,
    noise: TrainingNoise | None = None,
) -> Interval:
    """The mean over pairs of rows that differ in one factor alone, of first minus second.

    The pairs stand for all that could have been: what they differ by, from whatever cause, is their noise. They share
    their test images, too, which a bootstrap over the pairs alone would leave out. Pairs of one teacher or rival have
    its luck in common: `clusters` names it for each pair, and the means of the clusters are what varies. Two of them
    can be alike by chance, and would make an interval far too short: below three, nothing is decided.

    All pairs share their seeds, and what a seed does to one side of the factor it does in all pairs: the whole training
    noise of a pair is added, over the number of seeds that all pairs have. `noise` of a row is borrowed from the study
    (None: from the rows of the pairs); where nothing was repeated, nothing is decided.
    """
    pairs = list(pairs)
    differences = [average(row.values()) - average(other.values()) for row, other in pairs]
    what = "pairs"
    if clusters is not None:
        differences, what = _cluster_means(differences, clusters), "groups of pairs"
    by_number = dict(enumerate(differences))
    configurations = _source(by_number if len(by_number) >= _FEW else {}, None, what)
    mean, noise = average(differences), noise or training_noise(row for pair in pairs for row in pair)
    if noise is None:
        found = _interval(mean, [configurations])
        return replace(found, kind=ONE_SEED) if found.decides else found
    seeds = min(len(row.keys() & other.keys()) for row, other in pairs) or 1
    over = ONE_SEED if seeds == 1 else count(seeds, "seed")
    of_a_seed = _Source(noise, seeds, f"{over}, {borrowed_from(noise.rows)}")
    return _interval(mean, [configurations, of_a_seed, of_a_seed])  # both sides of a pair have one


def _cluster_means(differences: list[Measurement], clusters: Iterable[Hashable]) -> list[Measurement]:
    members: dict[Hashable, list[Measurement]] = {}
    for name, one in zip(clusters, differences, strict=True):
        members.setdefault(name, []).append(one)
    return [average(cluster) for cluster in members.values()]


@dataclass(frozen=True)
class _Source:
    """Where the training noise of a mean comes from; `noise` is None where it is not known."""

    noise: TrainingNoise | None
    repeats: int
    words: str


def _source(row: Row, borrowed: TrainingNoise | None, what: str = "repeats") -> _Source:
    if borrowed and len(row) < _FEW:
        return _Source(borrowed, len(row), borrowed_from(borrowed.rows))
    return _Source(training_noise([row]), len(row), f"{len(row)} {what}")


def _interval(mean: Measurement, sources: list[_Source]) -> Interval:
    if any(source.noise is None for source in sources):
        return _of_images_only(mean)
    half = _half_width(mean, sources)
    kind = "test images and training: " + ", ".join(dict.fromkeys(source.words for source in sources))
    return Interval(mean.value, mean.debiased_low - half, mean.debiased_high + half, kind)


def _of_images_only(mean: Measurement) -> Interval:
    """Percentiles of the replicates around the value, stretched by what debiasing adds."""
    images = mean.deviations.var(ddof=1)
    # Without any variance, two networks answer alike.
    stretch = math.sqrt((images + mean.debias_variance) / images) if images else 1.0
    below, above = stretch * np.quantile(mean.deviations, TAILS)
    return Interval(mean.value, mean.debiased_low + below, mean.debiased_high + above, TEST_IMAGES_ONLY)


def _half_width(mean: Measurement, sources: list[_Source]) -> float:
    """Student's t times the standard error of the test images and of all training noise together."""
    shares: dict[TrainingNoise, float] = {}  # an estimate that two rows borrow, or that one lends the other, errs once
    for source in sources:
        shares[source.noise] = shares.get(source.noise, 0.0) + 1 / source.repeats
    images = mean.deviations.var(ddof=1) + mean.debias_variance
    variance = images + sum(noise.variance * share for noise, share in shares.items())
    uncertainty = sum((noise.observed * share) ** 2 / noise.degrees_of_freedom for noise, share in shares.items())
    # Where the images explain nearly all that differs, the formula can fall below one degree of freedom, which no
    # estimate has: an interval would be wider than the universe.
    degrees = max(variance**2 / uncertainty, 1.0) if variance and uncertainty else math.inf
    return stdtrit(degrees, TAILS[1]) * math.sqrt(variance)
