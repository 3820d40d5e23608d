"""What a run's metric is worth: its value, its bootstrap replicates, and how much of an ECE may be noise.

An ECE is too large by noise, the more so the more bins are calibrated, and how many are cannot be told: no interval
that is as short as the bootstrap's covers everywhere (Cai & Low 2011, on estimating sums of |mean|). So an ECE is
debiased twice: the lower end of an interval takes off what noise adds if every gap that noise can explain (the middle
90%) is nothing but noise, the upper end only that of the smallest (the middle third).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from kdlib.registry import KdlibError

_CEILINGS = {"accuracy": 1.0, "ece": 1.0, "nll": math.inf, "brier": 2.0}
_NOISE = ndtri([(1 + 0.9) / 2, (1 + 1 / 3) / 2])  # standard errors: the middle 90%, the middle third
# What debiasing adds to the variance, in squared standard errors of each bin that noise can explain: between .25 and
# .39 for gaps of 0 to 2 standard errors, by integration over the normal distribution.
_DEBIAS_VARIANCE = 0.3


@dataclass(frozen=True, eq=False)
class Measurement:
    """One metric of one run on the test images, or a mean or difference of such on the same images."""

    value: float  # as measured
    replicates: np.ndarray  # (500,) on the resampled test sets
    debiased_low: float  # less as much noise as there may be in it
    debiased_high: float  # less as little
    debias_variance: float = 0.0  # that debiasing adds to that of the replicates
    ceiling: float = math.inf  # of the metric

    def __sub__(self, other: "Measurement") -> "Measurement":
        """The difference of two runs on the same test images."""
        return Measurement(
            self.value - other.value,
            self.replicates - other.replicates,
            self.debiased_low - other.debiased_high,
            self.debiased_high - other.debiased_low,
            self.debias_variance + other.debias_variance,
        )

    @property
    def deviations(self) -> np.ndarray:
        """Of the replicates from their mean: (500,)."""
        return self.replicates - self.replicates.mean()


Row = dict[int, Measurement]  # a row of a table: its measurements by repeat


def unbiased(value: float, replicates: np.ndarray, ceiling: float = math.inf) -> Measurement:
    """A metric that noise does not push to one side."""
    return Measurement(value, replicates, debiased_low=value, debiased_high=value, ceiling=ceiling)


def measurement(record: dict, metric: str) -> Measurement:
    """The accuracy, ece, nll or brier of a record: raw, last epoch. KdlibError where it has no bootstrap replicates."""
    if "bootstrap" not in record:
        raise KdlibError(f"Record {record['key']} holds no bootstrap replicates: bring it up to date from its logits.")
    value, replicates = record["metrics"]["last"]["raw"][metric], np.array(record["bootstrap"][metric])
    if metric != "ece":
        return unbiased(value, replicates, _CEILINGS[metric])
    errors, gaps = bin_errors(record["reliability"])
    most, least = (math.sqrt(2 / math.pi) * errors[gaps <= z].sum() for z in _NOISE)
    variance = _DEBIAS_VARIANCE * (errors[gaps <= _NOISE[0]] ** 2).sum()
    return Measurement(value, replicates, value - most, value - least, variance, _CEILINGS[metric])


def bin_errors(reliability: dict) -> tuple[np.ndarray, np.ndarray]:
    """The standard error of each bin's part in the ECE, were the bin calibrated, and its gap in standard errors: two
    arrays (bins that hold images,).

    `reliability` holds counts, confidence and accuracy of the bins; None or NaN where one is empty. On average, a
    calibrated bin adds sqrt(2 / pi) of its standard error to the ECE.
    """
    columns = np.array([reliability[name] for name in ("counts", "confidence", "accuracy")], dtype=float)
    counts, confidence, accuracy = columns[:, columns[0] > 0]
    share = counts / counts.sum()
    errors = share * np.sqrt((confidence * (1 - confidence)).clip(0) / counts)  # rounded, 1 may be a little more
    parts = share * abs(confidence - accuracy)
    return errors, np.divide(parts, errors, out=np.where(parts > 0, np.inf, 0.0), where=errors > 0)


def average(measurements: Iterable[Measurement]) -> Measurement:
    """The mean of measurements on the same test images. KdlibError where there is none."""
    each = list(measurements)
    if not each:
        raise KdlibError("There is no measurement to make an interval of: leave out rows that are not measured.")

    def mean(field: str):
        return np.mean([getattr(one, field) for one in each], axis=0)

    return Measurement(
        mean("value"),
        mean("replicates"),
        mean("debiased_low"),
        mean("debiased_high"),
        mean("debias_variance") / len(each),
        max(one.ceiling for one in each),
    )
