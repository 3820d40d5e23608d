"""What a figure is worth: 95% intervals from the bootstrap replicates that records keep.

A figure is uncertain by the test images and by training noise. With R repeats of a row

    variance of their mean = bootstrap variance of the mean + training variance / R
    training variance = variance between the repeats - the part of it that the images make,

since two networks err on different images, and the bootstrap has counted that already: adding the whole variance
between repeats covers more than 99% instead of 95%. Quantiles are Student's t with the degrees of freedom of
Satterthwaite (1946) and Welch (1947). A training variance can be borrowed from other rows: it is never left out.

An ECE is too large by noise, the more so the more bins are calibrated, and how many are cannot be told: no interval
that is as short as the bootstrap's covers everywhere (Cai & Low 2011, on estimating sums of |mean|). So the lower end
takes off what noise adds if every gap that noise can explain (the middle 90%) is nothing but noise, and the upper end
only that of the smallest (the middle third). The measured coverage of all this: kdlib.intervals.coverage.
"""

import math
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from scipy import stats

from kdlib import draws
from kdlib.registry import KdlibError

LEVEL = 0.95
TEST_IMAGES_ONLY = "test images only"
_CEILINGS = {"accuracy": 1.0, "ece": 1.0, "nll": math.inf, "brier": 2.0}
_FEW = 3  # repeats below which a borrowed training variance is better than the row's own, and pairs tell nothing of it
_NOISE = stats.norm.ppf([(1 + 0.9) / 2, (1 + 1 / 3) / 2])  # standard errors: the middle 90%, the middle third
# What taking off noise adds to the variance, in squared standard errors of each bin that noise can explain: between .25
# and .39 for gaps of 0 to 2 standard errors, by integration over the normal distribution.
_DOUBT = 0.3


class Interval(NamedTuple):
    """A figure as measured, both ends of its 95% interval, and in words what the interval takes into account.

    An ECE's interval is that of the population's binned ECE. On a sample it comes out larger: with several repeats the
    estimate can stand above its interval.
    """

    estimate: float
    low: float
    high: float
    kind: str

    def _clipped(self, ceiling: float) -> "Interval":
        return self._replace(low=max(self.low, 0.0), high=min(max(self.high, 0.0), ceiling))

    @property
    def decides(self) -> bool:
        """Whether a claim may rest on it: without training noise, not."""
        return self.kind != TEST_IMAGES_ONLY


class Measurement(NamedTuple):
    """One metric of one run on the test images."""

    value: float  # as measured
    replicates: np.ndarray  # (500,) on the resampled test sets
    least: float  # less as much noise as there may be in it
    most: float  # less as little
    doubt: float = 0.0  # the variance that taking off noise adds to that of the replicates
    ceiling: float = math.inf  # of the metric

    def __sub__(self, other: "Measurement") -> "Measurement":
        """The difference of two runs on the same test images."""
        return Measurement(
            self.value - other.value,
            self.replicates - other.replicates,
            self.least - other.most,
            self.most - other.least,
            self.doubt + other.doubt,
        )


Row = dict[int, Measurement]  # a row of a table: its measurements by repeat


class TrainingNoise(NamedTuple):
    """How much a figure varies from one training to the next."""

    observed: float  # the variance between repeats, which the degrees of freedom belong to
    images: float  # the part of it that the test images make
    freedom: int
    rows: int

    @property
    def variance(self) -> float:
        return max(self.observed - self.images, 0.0)

    def drawn(self, count: int, *name: Hashable) -> np.ndarray:
        """Standard deviations (count,) as they may be, the variance between repeats being known from so few of them;
        `name` keys the draws. One estimate errs for all rows at once: one draw serves all rows of a replicate."""
        normal = draws.normal(self.freedom * count, "variance of training noise", *name).reshape(self.freedom, count)
        observed = self.observed * self.freedom / (normal**2).sum(0)
        return np.sqrt((observed - self.images).clip(0))


def measurement(record: dict, metric: str) -> Measurement:
    """The accuracy, ece, nll or brier of a record: raw, last epoch."""
    if "bootstrap" not in record:
        raise KdlibError(f"Record {record['key']} holds no bootstrap replicates: bring it up to date from its logits.")
    value, replicates = record["metrics"]["last"]["raw"][metric], np.array(record["bootstrap"][metric])
    if metric != "ece":
        return Measurement(value, replicates, value, value, ceiling=_CEILINGS[metric])
    errors, gaps = bin_errors(record["reliability"])
    most, least = (math.sqrt(2 / math.pi) * errors[gaps <= z].sum() for z in _NOISE)
    doubt = _DOUBT * (errors[gaps <= _NOISE[0]] ** 2).sum()
    return Measurement(value, replicates, value - most, value - least, doubt, _CEILINGS[metric])


def bin_errors(reliability: dict) -> tuple[np.ndarray, np.ndarray]:
    """The standard error of each bin's part in the ECE, were the bin calibrated, and its gap in standard errors.

    `reliability` holds counts, confidence and accuracy of the bins; None or NaN where one is empty. On average, a
    calibrated bin adds sqrt(2 / pi) of its standard error to the ECE.
    """
    columns = np.array([reliability[name] for name in ("counts", "confidence", "accuracy")], dtype=float)
    counts, confidence, accuracy = columns[:, columns[0] > 0]
    share = counts / counts.sum()
    errors = share * np.sqrt((confidence * (1 - confidence)).clip(0) / counts)  # rounded, 1 may be a little more
    parts = share * abs(confidence - accuracy)
    return errors, np.divide(parts, errors, out=np.where(parts > 0, np.inf, 0.0), where=errors > 0)


def training_noise(rows: Iterable[Row]) -> TrainingNoise | None:
    """The training variance, pooled over the rows that were repeated; None if none was."""
    repeated = [row for row in rows if len(row) > 1]
    if not repeated:
        return None
    freedoms = np.array([len(row) - 1 for row in repeated])
    between = np.array([_between(row) for row in repeated])
    observed, images = freedoms @ between / freedoms.sum()
    return TrainingNoise(observed, images, int(freedoms.sum()), len(repeated))


def interval(row: Row, noise: TrainingNoise | None = None) -> Interval:
    """The mean of a row's repeats. `noise`, of its study, is borrowed where the row has fewer than three repeats."""
    mean = average(row.values())
    return _interval(mean, [_source(row, noise)])._clipped(mean.ceiling)


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


def mean_difference(pairs: Iterable[tuple[Row, Row]], shared: Iterable[Hashable] | None = None) -> Interval:
    """The mean over pairs of rows that differ in one factor alone, of first minus second.

    The pairs stand for all that could have been: what they differ by, from whatever cause, is their noise. They share
    their test images, too, which a bootstrap over the pairs alone would leave out. Pairs of one teacher or rival have
    its luck in common: `shared` names it for each pair, and the means of those with the same name are what varies.
    Two of them can be alike by chance, and would make an interval far too short: below three, nothing is decided.
    """
    differences = [average(row.values()) - average(other.values()) for row, other in pairs]
    what = "pairs"
    if shared is not None:
        groups: dict[Hashable, list[Measurement]] = {}
        for name, one in zip(shared, differences, strict=True):
            groups.setdefault(name, []).append(one)
        differences, what = [average(group) for group in groups.values()], "groups of pairs"
    by_number = dict(enumerate(differences))
    known = by_number if len(by_number) >= _FEW else {}
    return _interval(average(differences), [_source(known, None, what)])


def rank_correlation(first: Iterable[float], second: Iterable[float]) -> Interval:
    """Spearman's, over pairs taken as independent, in the interval of Bonett & Wright (2000); at least four pairs."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    if len(first) < 4:
        raise KdlibError(f"A rank correlation of {len(first)} pairs: give at least four.")
    found = stats.spearmanr(first, second).statistic
    if abs(found) == 1:
        return Interval(found, found, found, f"{len(first)} pairs")
    half = stats.norm.ppf((1 + LEVEL) / 2) * math.sqrt((1 + found**2 / 2) / (len(first) - 3))
    return Interval(found, *np.tanh([math.atanh(found) - half, math.atanh(found) + half]), f"{len(first)} pairs")


def average(measurements: Iterable[Measurement]) -> Measurement:
    """The mean of measurements on the same test images."""
    measurements = list(measurements)
    if not measurements:
        raise KdlibError("There is no measurement to make an interval of: leave out rows that are not measured.")
    values, replicates, least, most, doubts, ceilings = map(np.array, zip(*measurements, strict=True))
    doubt = doubts.mean() / len(measurements)
    return Measurement(values.mean(), replicates.mean(0), least.mean(), most.mean(), doubt, ceilings.max())


def borrowed_from(rows: int) -> str:
    """Where training noise comes from, for a person."""
    return f"noise borrowed from {rows} repeated row{'s' * (rows > 1)}"


class _Source(NamedTuple):
    """Where the training noise of a mean comes from; `noise` is None where it is not known."""

    noise: TrainingNoise | None
    repeats: int
    words: str


def _source(row: Row, borrowed: TrainingNoise | None, what: str = "repeats") -> _Source:
    if borrowed and len(row) < _FEW:
        return _Source(borrowed, len(row), borrowed_from(borrowed.rows))
    return _Source(training_noise([row]), len(row), f"{len(row)} {what}")


def _interval(mean: Measurement, sources: list[_Source]) -> Interval:
    deviations = mean.replicates - mean.replicates.mean()
    images = deviations.var(ddof=1) + mean.doubt
    if any(source.noise is None for source in sources):
        stretch = math.sqrt(images / deviations.var(ddof=1)) if mean.doubt else 1.0
        below, above = stretch * np.quantile(deviations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Interval(mean.value, mean.least + below, mean.most + above, TEST_IMAGES_ONLY)
    shares: dict[TrainingNoise, float] = {}  # an estimate that two rows borrow, or that one lends the other, errs once
    for noise, repeats, _ in sources:
        shares[noise] = shares.get(noise, 0.0) + 1 / repeats
    variance = images + sum(noise.variance * share for noise, share in shares.items())
    uncertainty = sum((noise.observed * share) ** 2 / noise.freedom for noise, share in shares.items())
    # Where the images explain nearly all that differs, the formula can fall below one degree of freedom, which no
    # estimate has: an interval would be wider than the universe.
    freedom = max(variance**2 / uncertainty, 1.0) if variance and uncertainty else math.inf
    half = stats.t.ppf((1 + LEVEL) / 2, freedom) * math.sqrt(variance)
    kind = "test images and training: " + " and ".join(dict.fromkeys(source.words for source in sources))
    return Interval(mean.value, mean.least - half, mean.most + half, kind)


def _between(row: Row) -> tuple[float, float]:
    """The variance between repeats, and the part of it that the test images make."""
    values = np.array([(one.least + one.most) / 2 for one in row.values()])
    deviations = np.stack([one.replicates - one.replicates.mean() for one in row.values()])
    doubt = np.mean([one.doubt for one in row.values()])
    return values.var(ddof=1), deviations.var(axis=0, ddof=1).mean() + doubt
