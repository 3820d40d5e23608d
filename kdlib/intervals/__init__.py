"""What a figure is worth: intervals, comparisons, verdicts, and how often the intervals hold the truth.

    measurements   a metric of a record: its value, its bootstrap replicates, and what noise adds to an ECE
    noise          what varies from one training to the next: from seed to seed, and with a teacher's luck
    comparisons    95% intervals of a row, of a difference of two, and of the mean over many pairs
    ranks          whether two figures put rows in the same order
    best           whether a row is the best of its table
    verdicts       how intervals decide a claim
    harmonic       the harmonic score of accuracy and ECE over a table (needs torch, as the simulation does)
    coverage       how often these intervals hold the truth, by simulation (population, rivals)
    designs        the same for means over pairs, leads, choices and orders, with seeds and teachers that rows share

Everything else works on records alone, without torch.
"""

from kdlib.intervals.best import lead, standing
from kdlib.intervals.comparisons import (
    Interval,
    difference,
    interval,
    mean_difference,
)
from kdlib.intervals.measurements import Measurement, Row, average, measurement
from kdlib.intervals.noise import TrainingNoise, teacher_noise, training_noise
from kdlib.intervals.ranks import best_columns, rank_correlation

__all__ = [
    "Interval",
    "Measurement",
    "Row",
    "TrainingNoise",
    "average",
    "best_columns",
    "difference",
    "interval",
    "lead",
    "mean_difference",
    "measurement",
    "rank_correlation",
    "standing",
    "teacher_noise",
    "training_noise",
]
