"""What varies from one training to the next."""

import numpy as np
import pytest

from kdlib.intervals.measurements import unbiased
from kdlib.intervals.noise import teacher_noise


def students(values, deviations=None):
    """Rows by teacher of accuracies (teachers, seeds), on test images that do `deviations` to each."""
    deviations = np.zeros((*np.shape(values), 500)) if deviations is None else deviations
    return {
        teacher: {seed: unbiased(value, value + deviations[teacher, seed]) for seed, value in enumerate(row)}
        for teacher, row in enumerate(values)
    }


def test_a_teachers_luck_by_hand():
    """Students differ by teacher (0, 3 and 6 points), by seed (0 and 1), and otherwise by .2 points to either side."""
    values = np.array([[0.50, 0.51], [0.53, 0.54], [0.56, 0.57]])
    values += [[0.002, -0.002], [-0.002, 0.002], [0.0, 0.0]]
    found = teacher_noise([students(values)])
    means = values.mean(1)
    residual = values - means[:, None] - values.mean(0) + values.mean()
    within = (residual**2).sum() / ((3 - 1) * (2 - 1))
    assert found.observed == pytest.approx(means.var(ddof=1))
    assert found.images == pytest.approx(within / 2)
    assert (found.degrees_of_freedom, found.rows) == (2, 1)


def test_students_that_differ_by_seeds_and_images_alone_show_no_luck_of_teachers():
    rng, found, truth = np.random.default_rng(0), [], 0.01**2
    for luck in (0.0, 0.01):
        groups = []
        for _ in range(400):
            images = rng.normal(0, 0.004, (3, 3, 500))
            values = 0.5 + rng.normal(0, luck, (3, 1)) + rng.normal(0, 0.006, (1, 3)) + rng.normal(0, 0.008, (3, 3))
            groups.append(students(values + images[..., 0], images))
        found.append(teacher_noise(groups))
    assert found[0].variance < 0.1 * truth
    assert found[1].variance == pytest.approx(truth, rel=0.15)
    assert found[1].degrees_of_freedom == 800


def test_one_teacher_tells_nothing():
    assert teacher_noise([students([[0.5, 0.6]])]) is None
    assert teacher_noise([]) is None
