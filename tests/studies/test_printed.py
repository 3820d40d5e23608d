"""A source's printed figures as records that rules read."""

import numpy as np
import pytest

from kdlib.intervals import comparisons
from kdlib.intervals.comparisons import TEST_IMAGES_ONLY
from kdlib.intervals.verdicts import difference, held_out_accuracy, measured, noise_of
from kdlib.studies.printed import once, three_times

PRINTED = {"accuracy": (0.7708, 0.0025), "ece": (0.1023, 0.004)}


def test_three_repeats_have_the_printed_mean_and_deviation():
    row = three_times("a row", "cifar10", **PRINTED)
    for metric, (mean, deviation) in PRINTED.items():
        values = [record["metrics"]["last"]["raw"][metric] for record in row.values()]
        assert np.mean(values) == pytest.approx(mean) and np.std(values, ddof=1) == pytest.approx(deviation)


def test_the_printed_deviation_is_the_training_noise():
    rows = {"a row": three_times("a row", "cifar10", **PRINTED)}
    for metric, (_, deviation) in PRINTED.items():
        noise = noise_of(rows, metric)
        assert noise.variance == pytest.approx(deviation**2, rel=1e-3) and noise.degrees_of_freedom == 2


def test_test_images_move_an_accuracy_as_the_binomial_does():
    (found,) = measured(once("a row", "cifar10", accuracy=0.6128), "accuracy").values()
    binomial = (0.6128 * 0.3872 / 10_000) ** 0.5
    assert found.deviations.std(ddof=1) == pytest.approx(binomial, rel=0.1)
    assert found.replicates.mean() == pytest.approx(0.6128, abs=3 * binomial / 500**0.5)


def test_an_ece_is_taken_as_printed():
    found = measured(three_times("a row", "cifar10", **PRINTED), "ece")
    assert comparisons.average(found.values()).value == pytest.approx(0.1023)
    for one in found.values():
        assert one.debiased_low == one.debiased_high == one.value and one.deviations.std() == pytest.approx(
            0, abs=1e-12
        )


def test_rows_have_no_luck_in_common():
    rows = {name: three_times(name, "cifar10", accuracy=(0.7, 0.01)) for name in range(200)}
    deviations = np.stack([measured(row, "accuracy")[0].deviations for row in rows.values()])
    alike = np.corrcoef(deviations)[np.triu_indices(200, 1)]
    assert abs(alike.mean()) < 0.005 and alike.std() == pytest.approx(500**-0.5, rel=0.05)
    figures = np.array([[r["metrics"]["last"]["raw"]["accuracy"] for r in row.values()] for row in rows.values()])
    assert abs(np.corrcoef(figures, rowvar=False)[0, 1] + 0.5) < 0.15  # as of three figures in a random order
    assert abs(figures.mean(0) - 0.7).max() < 3 * 0.01 / 200**0.5


def test_one_run_decides_nothing():
    rows = {name: once(name, "cifar10", accuracy=accuracy) for name, accuracy in [("a", 0.9), ("b", 0.6)]}
    found = difference(rows, "a", "b")
    assert found.estimate == pytest.approx(0.3) and found.low > 0.28
    assert found.kind == TEST_IMAGES_ONLY and not found.decides


def test_what_held_out_images_choose_test_images_have_chosen():
    assert held_out_accuracy(three_times("a row", "cifar10", **PRINTED)) == pytest.approx(0.7708)
