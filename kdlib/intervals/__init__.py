"""What a figure is worth: intervals, comparisons, verdicts, and how often the intervals hold the truth.

    measurements   a metric of a record: its value, its bootstrap replicates, and what noise adds to an ECE
    comparisons    95% intervals of a row, of a difference of two, and of the mean over many pairs
    best           whether a row is the best of its table
    verdicts       how intervals decide a claim
    harmonic       the harmonic score of accuracy and ECE over a table (needs torch, as the simulation does)
    coverage       how often these intervals hold the truth, by simulation (population, rivals)

Everything else works on records alone, without torch.
"""

from kdlib.intervals.best import lead
from kdlib.intervals.comparisons import (
    Interval,
    TrainingNoise,
    difference,
    interval,
    mean_difference,
    rank_correlation,
    training_noise,
)
from kdlib.intervals.measurements import Measurement, Row, average, measurement

__all__ = [
    "Interval",
    "Measurement",
    "Row",
    "TrainingNoise",
    "average",
    "difference",
    "interval",
    "lead",
    "mean_difference",
    "measurement",
    "rank_correlation",
    "training_noise",
]
