"""Rows over several seeds, by hand: on so many test images that training alone makes them differ."""

import math
from dataclasses import replace

import pytest
from long_tails import TABLE, OfRows, exactly
from scipy.stats import t

from kdlib.studies.imbalance_kd_calibration import Row, Variant, repeated

BS = "balanced_softmax"
CRD = Row("student", *TABLE, "crd", BS, BS)


def ends(line):
    return line[["estimate", "low", "high"]].tolist()


def of_accuracy(found):
    return found[found["metric"] == "accuracy"].set_index("factor")


def of_a_student():
    """Seed by seed the teacher adds .01, .02 and .03, which the seeds themselves would hide."""
    return {CRD: exactly(0.50, 0.60, 0.70, ece=0.2), CRD.ablation: exactly(0.49, 0.58, 0.67, ece=0.1)}


def test_a_student_beside_its_ablation_seed_by_seed():
    found = repeated.of_core(OfRows(of_a_student()))
    assert found["metric"].tolist() == ["accuracy", "ece"] and set(found["panel"]) == {"CIFAR-10, IF 100"}
    assert set(found["factor"]) == {"against its ablation"}  # its baseline was not measured
    assert set(found["label"]) == {"CRD, BS → BS, no mixup, 3 seeds"}
    half = t.ppf(0.975, 2) * 1 / math.sqrt(3)  # points; the three differences have the standard deviation 1
    assert ends(found.iloc[0]) == pytest.approx([2, 2 - half, 2 + half])
    assert ends(found.iloc[1]) == pytest.approx([0.1, 0.1, 0.1])


def test_the_luck_of_the_one_teacher_is_in_it():
    plain = Row("student", *TABLE, "kd", "cross_entropy", "cross_entropy")
    taught = {seed: Variant("other teacher", *TABLE, "kd", "cross_entropy", teacher_seed=seed) for seed in (1, 2)}
    rows = of_a_student() | {plain: exactly(0.5), taught[1]: exactly(0.53), taught[2]: exactly(0.47)}
    (found,) = [ends(line) for _, line in of_accuracy(repeated.of_core(OfRows(rows))).iterrows()]
    training, luck = 0.01**2 / 3, 0.03**2
    degrees = (training + luck) ** 2 / (training**2 / 2 + luck**2 / 2)
    half = 100 * t.ppf(0.975, degrees) * math.sqrt(training + luck)
    assert found == pytest.approx([2, 2 - half, 2 + half])


def test_seeds_that_only_one_has_are_left_out():
    rows = of_a_student() | {CRD.baseline: exactly(0.40, 0.50, 0.60, 0.99, 0.99)}
    line = of_accuracy(repeated.of_core(OfRows(rows))).loc["against its baseline"]
    assert line["label"].endswith("3 seeds") and ends(line) == pytest.approx([10, 10, 10])


def test_rows_of_few_seeds_or_two_objectives_are_left_out():
    other = replace(CRD, teacher_objective="cross_entropy")
    rows = {other: exactly(0.5, 0.6, 0.7), CRD: exactly(0.5, 0.6), CRD.ablation: exactly(0.5, 0.6, 0.7)}
    found = repeated.of_core(OfRows(rows))
    assert found.empty and repeated.finding(found) == "No such row was repeated."


def longer(mixup, *accuracies):
    return {Variant("longer", *TABLE, "baseline", "cross_entropy", mixup, epochs=40): exactly(*accuracies)}


def test_mixup_seed_by_seed_and_in_longer_training():
    plain = Row("baseline", *TABLE, student_objective=BS)
    rows = {plain: exactly(0.50, 0.60, 0.70), replace(plain, mixup=True): exactly(0.49, 0.58, 0.67)}
    found = repeated.of_mixup(OfRows(rows | longer(False, 0.70) | longer(True, 0.73)))
    accuracy = found[found["metric"] == "accuracy"].set_index("label")
    assert accuracy.index.tolist() == ["BS, 3 seeds", "CE, 40 epochs, 1 seed"]
    assert set(found["factor"]) == {"mixup, against none, no teacher"}
    half = t.ppf(0.975, 2) / math.sqrt(3)
    assert ends(accuracy.loc["BS, 3 seeds"]) == pytest.approx([-2, -2 - half, -2 + half])
    # A run of each has the noise of the rows that were repeated: variances .01 and .0081, two degrees of freedom each.
    half = 100 * t.ppf(0.975, 4) * math.sqrt(2 * (0.01 + 0.0081) / 2)
    assert ends(accuracy.loc["CE, 40 epochs, 1 seed"]) == pytest.approx([3, 3 - half, 3 + half])


def test_a_difference_of_single_runs_has_no_ends_where_nothing_was_repeated():
    found = repeated.of_mixup(OfRows(longer(False, 0.70) | longer(True, 0.73)))
    assert found["estimate"].tolist() == pytest.approx([3, 0]) and found[["low", "high"]].isna().all(axis=None)
    assert repeated.finding(found) == (
        "CIFAR-10, IF 100, mixup, against none, no teacher: CE, 40 epochs, 1 seed +3.0. "
        "Points of accuracy, 95% intervals."
    )


def test_without_mixup_there_is_nothing_to_say():
    assert repeated.of_mixup(OfRows(longer(False, 0.70))).empty


def test_each_difference_is_said_with_its_interval():
    half = t.ppf(0.975, 2) / math.sqrt(3)
    rows = of_a_student() | {CRD.baseline: exactly(0.40, 0.50, 0.60)}
    assert repeated.finding(repeated.of_core(OfRows(rows))) == (
        "CIFAR-10, IF 100, against its ablation: CRD, BS → BS, no mixup, 3 seeds "
        f"+2.0 ({2 - half:+.1f} to {2 + half:+.1f}). "
        "CIFAR-10, IF 100, against its baseline: CRD, BS → BS, no mixup, 3 seeds +10.0 (+10.0 to +10.0). "
        "Points of accuracy, 95% intervals."
    )
