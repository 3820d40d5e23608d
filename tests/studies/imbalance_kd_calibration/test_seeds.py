"""What a figure hangs on: each component by hand."""

import math
from dataclasses import replace

import builders
import numpy as np
import pytest
from long_tails import TABLE, OfRows, exactly

from kdlib.studies.imbalance_kd_calibration import Row, Variant, seeds

KD = Row("student", *TABLE, "kd", "cross_entropy", "cross_entropy")
CRD = replace(KD, kd="crd")
Z = 1.959963984540054


def taught_by(seed, row=KD):
    return Variant("other teacher", row.data, 100.0, "kd", row.student_objective, teacher_seed=seed)


def seen_on(images, accuracy):
    """A row that ran once, whose accuracy has this standard deviation over resampled test images."""
    deviations = np.resize([1.0, -1.0], 500)
    replicates = {
        "accuracy": accuracy + images * deviations / deviations.std(ddof=1),
        "ece": np.full(500, 0.1),
    }
    return {0: builders.record(accuracy, 0.1, bootstrap=replicates)}


def luck(rows, data="cifar10"):
    return seeds.luck_of_teachers(OfRows(rows), data, "accuracy")


def test_the_luck_of_teachers_is_what_the_means_of_their_students_differ_by():
    """Three teachers, two seeds of the student each: nothing but the teacher and the seed makes them differ."""
    found = luck({KD: exactly(0.50, 0.60), taught_by(1): exactly(0.53, 0.63), taught_by(2): exactly(0.47, 0.57)})
    assert (found.variance, found.degrees_of_freedom, found.rows) == (pytest.approx(0.03**2), 2, 1)


def test_what_students_vary_by_themselves_is_no_luck_of_teachers():
    found = luck({taught_by(1): exactly(0.50, 0.60), taught_by(2): exactly(0.66, 0.52)})
    # Means .55 and .59: variance .0008. Less the seeds' means, each student has -.05, .05 or .05, -.05 left: by two
    # teachers and two seeds its own variance is twice .005, and half of that is in a mean.
    assert found.observed == pytest.approx(0.0008) and found.variance == 0


def test_teachers_are_compared_over_the_seeds_that_all_have():
    rows = {KD: exactly(0.50, 0.60, 0.90), taught_by(1): exactly(0.53, 0.63), taught_by(2): exactly(0.47, 0.57, 0.10)}
    assert luck(rows).variance == pytest.approx(0.03**2)
    del rows[taught_by(1)][0], rows[KD][1], rows[KD][2]
    assert luck(rows) is None  # no seed is left that all have


def test_luck_is_known_where_other_teachers_were_trained_on_the_same_data():
    rows = {KD: exactly(0.5), taught_by(1): exactly(0.6)}
    assert luck({KD: exactly(0.5)}) is None and luck({taught_by(1): exactly(0.5)}) is None
    assert luck(rows, "cifar100") is None and luck(rows).variance == pytest.approx(0.1**2 / 2)


def test_a_kind_of_teacher_for_each_objective():
    balanced = Row("student", *TABLE, "kd", "balanced_softmax", "balanced_softmax")
    rows = {KD: exactly(0.5), taught_by(1): exactly(0.6), balanced: exactly(0.5)}
    rows |= {taught_by(1, balanced): exactly(0.7)}
    found = luck(rows)
    assert (found.rows, found.degrees_of_freedom) == (2, 2) and found.variance == pytest.approx((0.005 + 0.02) / 2)


def known():
    """One table with every component: gains of .02 and .05 by vanilla KD, a baseline at .50, .52 and .54, and a second
    teacher."""
    other = replace(KD, teacher_objective="balanced_softmax")
    return {
        KD: seen_on(0.003, 0.52),
        other: seen_on(0.004, 0.55),
        KD.ablation: seen_on(0.0, 0.50),
        KD.baseline: exactly(0.50, 0.52, 0.54),
        taught_by(1): exactly(0.53),
    }


def test_each_component_by_hand():
    found = seeds.components(OfRows(known())).set_index("cause")
    points = {
        "test images, one network": math.sqrt((0.3**2 + 0.4**2) / 2),
        "test images, difference of two": math.sqrt((0.3**2 + 0.4**2) / 2),  # the ablation's images bring nothing
        "seed (weights, order, augmentation)": 2.0,
        "a teacher's seed, in its students": math.sqrt(1**2 / 2 - 0.3**2 / 2),  # .52 and .53, less what the images do
        "configuration, in the gain over an ablation": 3 / math.sqrt(2),
    }
    assert found["accuracy (points)"].to_dict() == pytest.approx(points, rel=1e-3)
    assert found["known from"].tolist() == ["2 rows", "2 pairs", "1 row", "1 kind of teacher", "2 pairs"]
    assert set(found["data"]) == {"cifar10"} and found["ECE"].iloc[1:].tolist() == pytest.approx([0] * 4)


def test_what_a_design_tells_apart_by_hand():
    results = OfRows(known())
    components = seeds.components(results)["accuracy (points)"] ** 2
    _, images, seed, teacher, configuration = components
    told = seeds.told_apart(results, seeds=(1, 4), pairs=8).set_index("design")["accuracy (points)"]
    assert told.to_dict() == pytest.approx(
        {
            "two rows, 1 seed each": Z * math.sqrt(images + 2 * seed),
            "two rows, 4 seeds each": Z * math.sqrt(images + seed / 2),
            "two rows, 4 seeds each, one has a teacher": Z * math.sqrt(images + seed / 2 + teacher),
            "mean over 8 pairs, one seed": Z * math.sqrt(images / 2 + 2 * seed + configuration / 8),
        }
    )


def test_a_design_with_an_unknown_component_is_left_out():
    rows = {row: records for row, records in known().items() if row.role != "other teacher"}
    assert "a teacher's seed, in its students" not in seeds.components(OfRows(rows))["cause"].tolist()
    assert len(seeds.told_apart(OfRows(rows))) == 3
    rows[KD.baseline] = exactly(0.52)
    assert seeds.told_apart(OfRows(rows)).empty


def test_each_data_set_has_components_of_its_own():
    elsewhere = replace(KD, data="cifar100")
    quiet = {elsewhere: seen_on(0.001, 0.3), elsewhere.baseline: exactly(0.30, 0.31, 0.32)}
    found = seeds.components(OfRows(known() | quiet)).set_index(["data", "cause"])["accuracy (points)"]
    assert found["cifar100"].to_dict() == pytest.approx({seeds.IMAGES: 0.1, seeds.SEED: 1.0})
    assert found["cifar10", seeds.SEED] == pytest.approx(2)


def test_what_is_found_in_words():
    teacher = math.sqrt(1**2 / 2 - 0.3**2 / 2)
    said = f"An accuracy varies by 2.00 points from seed to seed and {teacher:.2f} points from teacher to teacher "
    assert seeds.finding(OfRows(known())) == f"{said}(standard deviations)."


def test_accuracies_correlate_over_seeds():
    balanced = {row: replace(row, student_objective="balanced_softmax") for row in (KD.baseline, KD.ablation)}
    rows = {
        KD: exactly(0.5, 0.6, 0.7),
        KD.baseline: exactly(0.1, 0.2, 0.3),  # the same luck
        balanced[KD.baseline]: exactly(0.3, 0.2, 0.1),  # the opposite
        balanced[KD.ablation]: exactly(0.5, 0.6),  # too few to say
    }
    results = OfRows(rows)
    assert seeds.shared_by_a_seed(results) == pytest.approx({"one objective": 1, "different ones": -1})
    said = (
        "Over seeds, accuracies correlate +1.00 between rows with one objective and -1.00 between rows with different"
    )
    assert said in seeds.finding(results)


def test_where_nothing_was_repeated_nothing_is_decided():
    results = OfRows({KD: seen_on(0.003, 0.52), KD.ablation: seen_on(0.0, 0.50)})
    assert seeds.components(results)["cause"].tolist() == [seeds.IMAGES, seeds.DIFFERENCE]
    assert seeds.told_apart(results).empty
    assert seeds.finding(results) == "No row was repeated, so what a seed does is not known and nothing is decided."


def test_without_students_there_are_no_components():
    results = OfRows({KD.baseline: exactly(0.5, 0.6, 0.7)})
    assert seeds.components(results).empty and seeds.told_apart(results).empty
    assert seeds.finding(results) == "No student was measured."
