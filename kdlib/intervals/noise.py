"""What varies from one training to the next: from seed to seed, and with the luck of a teacher."""

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kdlib import draws
from kdlib.intervals.measurements import Row, average
from kdlib.words import count


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


def teacher_noise(groups: Iterable[Mapping[Hashable, Row]]) -> TrainingNoise | None:
    """How much a student varies with the seed of its teacher: each group has the rows of the same student by its
    teachers, all with the same repeats. None where no group has two teachers."""
    found = [_between_teachers(rows) for rows in groups if len(rows) > 1]
    if not found:
        return None
    observed, explained, degrees = np.array(found).T
    pooled = np.average([observed, explained], axis=1, weights=degrees)
    return TrainingNoise(*pooled.tolist(), int(degrees.sum()), len(found))


def _between_teachers(rows: Mapping[Hashable, Row]) -> tuple[float, float, int]:
    """The variance between the teachers' means; the part of it that test images and the students' own training make,
    which are known from what is left of each student once its teacher's mean and its seed's are taken off; degrees of
    freedom."""
    seeds = {repeat: average(row[repeat] for row in rows.values()) for repeat in next(iter(rows.values()))}
    left = [{repeat: row[repeat] - seeds[repeat] for repeat in seeds} for row in rows.values()]
    own = training_noise(left)
    students = own.variance * len(rows) / (len(rows) - 1) / len(seeds) if own else 0.0
    observed, images = _between(dict(enumerate(average(row.values()) for row in rows.values())))
    return observed, images + students, len(rows) - 1


def borrowed_from(rows: int) -> str:
    """Where training noise comes from, for a person."""
    return f"noise borrowed from {count(rows, 'repeated row')}"
