"""What a figure is worth: 95% intervals from the bootstrap replicates that records keep.

A figure is uncertain by the test images and by training noise. With R repeats of a row

    variance of their mean = bootstrap variance of the mean + training variance / R
    training variance = variance between the repeats - the part of it that the images make,

since two networks err on different images, and the bootstrap has counted that already: adding the whole variance
between repeats covers more than 99% instead of 95%. Quantiles are Student's t with the degrees of freedom of
Satterthwaite (1946) and Welch (1947). A training variance can be borrowed from other rows: it is never left out.

What an ECE is too large by: kdlib.intervals.measurements. The measured coverage of all this: kdlib.intervals.coverage.
"""

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri, stdtrit

from kdlib import draws
from kdlib.intervals.measurements import Measurement, Row, average
from kdlib.registry import KdlibError
from kdlib.words import count

LEVEL = 0.95
TAILS = (1 - LEVEL) / 2, (1 + LEVEL) / 2
TEST_IMAGES_ONLY = "test images only"
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
        return self.kind != TEST_IMAGES_ONLY

    def scaled(self, unit: float) -> "Interval":
        """The same in another unit: `scaled(100)` of a fraction is in percent."""
        return replace(self, estimate=unit * self.estimate, low=unit * self.low, high=unit * self.high)

    def clipped(self, ceiling: float) -> "Interval":
        """With ends from 0 to the ceiling, where the metric can be."""
        return replace(self, low=max(self.low, 0.0), high=min(max(self.high, 0.0), ceiling))


@dataclass(frozen=True)
class TrainingNoise:
    """How much a figure varies from one training to the next."""

    observed: float  # the variance between repeats, which the degrees of freedom belong to
    images: float  # the part of it that the test images make
    degrees_of_freedom: int
    rows: int  # that were repeated

    @property
    def variance(self) -> float:
        """Between trainings, test images aside."""
        return max(self.observed - self.images, 0.0)

    def drawn(self, count: int, *name: Hashable) -> np.ndarray:
        """Standard deviations (count,) as they may be, the variance between repeats being known from so few of them;
        `name` keys the draws. One estimate errs for all rows at once: one draw serves all rows of a replicate."""
        shape = self.degrees_of_freedom, count
        normal = draws.normal(math.prod(shape), "variance of training noise", *name).reshape(shape)
        observed = self.observed * self.degrees_of_freedom / (normal**2).sum(0)
        return np.sqrt((observed - self.images).clip(0))


def training_noise(rows: Iterable[Row]) -> TrainingNoise | None:
    """The training variance, pooled over the rows that were repeated; None if none was."""
    repeated = [row for row in rows if len(row) > 1]
    if not repeated:
        return None
    degrees = np.array([len(row) - 1 for row in repeated])
    between = np.array([_between(row) for row in repeated])
    observed, images = degrees @ between / degrees.sum()
    return TrainingNoise(observed, images, int(degrees.sum()), len(repeated))


def _between(row: Row) -> tuple[float, float]:
    """The variance between repeats, and the part of it that the test images make."""
    values = np.array([(one.debiased_low + one.debiased_high) / 2 for one in row.values()])
    deviations = np.stack([one.deviations for one in row.values()])
    debias_variance = np.mean([one.debias_variance for one in row.values()])
    return values.var(ddof=1), deviations.var(axis=0, ddof=1).mean() + debias_variance


def interval(row: Row, noise: TrainingNoise | None = None) -> Interval:
    """The mean of a row's repeats. `noise`, of its study, is borrowed where the row has fewer than three repeats."""
    mean = average(row.values())
    return _interval(mean, [_source(row, noise)]).clipped(mean.ceiling)


def difference(row: Row, other: Row, noise: TrainingNoise | None = None) -> Interval:
    """Row minus other row, on the same test images.

    Rows with the same repeats are subtracted repeat by repeat: repeat r has the same seed and the same batches in both,
    and what luck these bring to both cancels. Otherwise, or with fewer than three repeats and a `noise` to borrow, the
    training noise of the two is taken as independent.
    """
    if row.keys() == other.keys() and (len(row) >= _FEW or not noise):
        paired = {repeat: row[repeat] - other[repeat] for repeat in row}
        return _interval(average(paired.values()), [_source(paired, None)])
    apart = average(row.values()) - average(other.values())
    return _interval(apart, [_source(row, noise), _source(other, noise)])


def mean_difference(pairs: Iterable[tuple[Row, Row]], clusters: Iterable[Hashable] | None = None) -> Interval:
    """The mean over pairs of rows that differ in one factor alone, of first minus second.

    The pairs stand for all that could have been: what they differ by, from whatever cause, is their noise. They share
    their test images, too, which a bootstrap over the pairs alone would leave out. Pairs of one teacher or rival have
    its luck in common: `clusters` names it for each pair, and the means of the clusters are what varies. Two of them
    can be alike by chance, and would make an interval far too short: below three, nothing is decided.
    """
    differences = [average(row.values()) - average(other.values()) for row, other in pairs]
    what = "pairs"
    if clusters is not None:
        differences, what = _cluster_means(differences, clusters), "groups of pairs"
    by_number = dict(enumerate(differences))
    known = by_number if len(by_number) >= _FEW else {}
    return _interval(average(differences), [_source(known, None, what)])


def _cluster_means(differences: list[Measurement], clusters: Iterable[Hashable]) -> list[Measurement]:
    members: dict[Hashable, list[Measurement]] = {}
    for name, one in zip(clusters, differences, strict=True):
        members.setdefault(name, []).append(one)
    return [average(cluster) for cluster in members.values()]


def rank_correlation(first: Iterable[float], second: Iterable[float]) -> Interval:
    """Spearman's, over pairs taken as independent, in the interval of Bonett & Wright (2000). KdlibError below four
    pairs."""
    from scipy.stats import spearmanr  # takes longer to import than all the rest here

    first, second = np.asarray(first, float), np.asarray(second, float)
    if len(first) < 4:
        raise KdlibError(f"A rank correlation of {len(first)} pairs: give at least four.")
    found, kind = spearmanr(first, second).statistic, f"{len(first)} pairs"
    if abs(found) == 1:
        return Interval(found, found, found, kind)
    half = ndtri(TAILS[1]) * math.sqrt((1 + found**2 / 2) / (len(first) - 3))
    low, high = np.tanh([math.atanh(found) - half, math.atanh(found) + half])
    return Interval(found, low, high, kind)


def borrowed_from(rows: int) -> str:
    """Where training noise comes from, for a person."""
    return f"noise borrowed from {count(rows, 'repeated row')}"


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
    kind = "test images and training: " + " and ".join(dict.fromkeys(source.words for source in sources))
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
