"""Other rules for a 95% interval, from the same replicates, to be compared with ours."""

from dataclasses import dataclass, replace

import numpy as np

from kdlib.intervals import comparisons
from kdlib.intervals.comparisons import TAILS, Interval
from kdlib.intervals.measurements import Measurement, Row
from kdlib.intervals.noise import TrainingNoise


@dataclass(frozen=True)
class Known:
    """What an estimator may use beside the rows: training noise of another method, the noise floor's 95% level."""

    noise: TrainingNoise | None
    floor: float


def kdlib(rows: list[Row], known: Known) -> Interval:
    """Ours: of a row, or of the difference of two."""
    compare = {1: comparisons.interval, 2: comparisons.difference}[len(rows)]
    return compare(*rows, known.noise)


def percentile(rows: list[Row], known: Known) -> Interval:
    """The middle 95% of the bootstrap's replicates."""
    run = _first(rows)
    low, high = np.quantile(run.replicates, TAILS)
    return Interval(run.value, low, high, "percentile")


def basic(rows: list[Row], known: Known) -> Interval:
    """The same, mirrored at the estimate."""
    run = _first(rows)
    low, high = 2 * run.value - np.quantile(run.replicates, TAILS[::-1])
    return Interval(run.value, max(low, 0.0) if len(rows) == 1 else low, high, "basic")


def floor_rule(rows: list[Row], known: Known) -> Interval:
    """Basic; at or below the 95% level of its noise floor, from 0 to the larger upper end of basic and percentile."""
    ends = basic(rows, known)
    if ends.estimate > known.floor:
        return ends
    return replace(ends, low=0.0, high=max(ends.high, percentile(rows, known).high))


def plain_sum(rows: list[Row], known: Known) -> Interval:
    """The whole variance between R repeats / R, plus the bootstrap's of their mean; Student's t of R - 1."""
    from scipy import stats

    runs = [_first([{0: row[repeat]} for row in rows]) for repeat in rows[0]]
    values, replicates = np.array([run.value for run in runs]), np.array([run.replicates for run in runs])
    variance = values.var(ddof=1) / len(runs) + replicates.mean(0).var(ddof=1)
    half = stats.t.ppf(TAILS[1], len(runs) - 1) * np.sqrt(variance)
    return Interval(values.mean(), values.mean() - half, values.mean() + half, "plain sum")


ESTIMATORS = {
    "kdlib": kdlib,
    "percentile": percentile,
    "basic": basic,
    "floor rule": floor_rule,
    "plain sum": plain_sum,
}


def _first(rows: list[Row]) -> Measurement:
    """The first run of a row, or the difference of those of two."""
    first, *others = (row[0] for row in rows)
    for other in others:
        first -= other
    return first
