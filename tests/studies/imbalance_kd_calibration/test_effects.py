"""What one choice changes: the pairs, what they have in common, and when there is no interval."""

import math

import pandas as pd
import pytest
from long_tails import TABLE, OfRows, exactly, flat, study
from scipy.stats import t

from kdlib.studies.imbalance_kd_calibration import Row, Variant, effects

PLAIN = Row("student", *TABLE, "kd", "cross_entropy", "cross_entropy")
MIXED = Row("student", *TABLE, "kd", "cross_entropy", "cross_entropy", True)


def accuracy(found):
    return found[found["metric"] == "accuracy"].set_index(["factor", "label"])["estimate"]


def test_each_ingredient_against_its_base():
    def figures(row):
        return 0.5 + 0.1 * (row.kd == "crd") + 0.02 * row.mixup, 0.1

    found = effects.of_ingredients(OfRows(study(figures)))
    gains = accuracy(found)
    kd, mixed = "way to distil, against vanilla KD", "mixup, against none"
    labels = [label for factor, label in gains.index if factor == kd]
    assert labels == ["CRD (32 pairs, 8 groups)", "RKD (32 pairs, 8 groups)", "AT (32 pairs, 8 groups)"]
    assert gains[kd, labels[0]] == pytest.approx(10, abs=0.2) and gains[kd, labels[1]] == pytest.approx(0, abs=0.2)
    assert gains[mixed, "mixup (64 pairs, 4 groups)"] == pytest.approx(2, abs=0.2)
    assert "BS (32 pairs, 8 groups)" in gains["student's objective, against CE"].index
    assert set(found["panel"]) == {"CIFAR-10, IF 100"} and set(found["metric"]) == {"accuracy", "ece"}


def test_two_groups_give_no_interval():
    found = effects.of_ingredients(OfRows(study(flat)))
    few = found["factor"] == "teacher's objective, against CE"  # with and without mixup: two groups
    assert found.loc[few, ["low", "high"]].isna().all(axis=None) and found.loc[few, "estimate"].notna().all()
    assert found.loc[~few, ["low", "high"]].notna().all(axis=None)


def test_nothing_is_told_where_nothing_was_repeated():
    found = effects.of_ingredients(OfRows(study(flat, repeated=False)))
    assert len(found) and found[["low", "high"]].isna().all(axis=None) and found["estimate"].notna().all()


def one_cell():
    """A student of each objective's teacher with and without mixup, and whom it stands beside, each trained once."""
    accuracies = {
        PLAIN: 0.50, PLAIN.ablation: 0.45, PLAIN.baseline: 0.52,
        MIXED: 0.60, MIXED.ablation: 0.57, MIXED.baseline: 0.55,
    }  # fmt: skip
    return {row: exactly(accuracy) for row, accuracy in accuracies.items()}


def test_each_way_to_distil_against_its_rivals_by_both_objectives():
    other = Row("student", *TABLE, "crd", "balanced_softmax", "cross_entropy")  # beside it, the same two without mixup
    found = effects.by_objectives(OfRows(one_cell() | {other: exactly(0.40)}))
    assert found.columns.tolist() == [
        "panel", "kd", "rival", "teacher_objective", "student_objective", "estimate", "low", "high"]  # fmt: skip
    assert found.iloc[:, :5].to_numpy().tolist() == [
        ["CIFAR-10, IF 100", "vanilla KD", "ablation", "CE", "CE"],
        ["CIFAR-10, IF 100", "vanilla KD", "baseline", "CE", "CE"],
        ["CIFAR-10, IF 100", "CRD", "ablation", "BS", "CE"],
        ["CIFAR-10, IF 100", "CRD", "baseline", "BS", "CE"],
    ]
    assert found["estimate"].tolist() == pytest.approx([(5 + 3) / 2, (-2 + 5) / 2, -5, -12])
    assert found[["low", "high"]].isna().all(axis=None)  # nothing was repeated


def test_a_cell_is_as_uncertain_as_single_runs_of_its_rows():
    rows = one_cell() | {PLAIN.baseline: exactly(0.50, 0.52, 0.54)}
    found = effects.by_objectives(OfRows(rows)).set_index("rival").loc["baseline"]
    # Of one repeated row, the variance of a run is .0004; two runs differ by twice that.
    half = 100 * t.ppf(0.975, 2) * math.sqrt(2 * 0.0004)
    assert found[["estimate", "low", "high"]].tolist() == pytest.approx([1.5, 1.5 - half, 1.5 + half])


def test_a_cell_holds_the_luck_of_its_teacher():
    rows = one_cell() | {PLAIN.baseline: exactly(0.50, 0.52, 0.54)}
    others = {seed: Variant("other teacher", *TABLE, "kd", "cross_entropy", teacher_seed=seed) for seed in (1, 2)}
    rows |= {PLAIN: exactly(0.50), others[1]: exactly(0.53), others[2]: exactly(0.47)}
    found = effects.by_objectives(OfRows(rows)).set_index("rival").loc["baseline"]
    luck, training = 0.0009, 2 * 0.0004  # between teachers .50, .53 and .47; both have two degrees of freedom
    degrees = (luck + training) ** 2 / (luck**2 / 2 + training**2 / 2)
    half = 100 * t.ppf(0.975, degrees) * math.sqrt(luck + training)
    assert found[["low", "high"]].tolist() == pytest.approx([1.5 - half, 1.5 + half])


def test_a_teachers_luck_on_other_data_is_another():
    rows = one_cell() | {PLAIN.baseline: exactly(0.50, 0.52, 0.54)}
    others = [Variant("other teacher", "cifar100", 100.0, "kd", "cross_entropy", teacher_seed=seed) for seed in (1, 2)]
    beside = rows | {other: exactly(0.1 * other.teacher_seed) for other in others}
    pd.testing.assert_frame_equal(*(effects.by_objectives(OfRows(given)) for given in (rows, beside)))


def test_a_rival_that_is_not_measured_is_left_out():
    rows = one_cell()
    del rows[MIXED.ablation], rows[PLAIN.baseline], rows[MIXED.baseline]
    found = effects.by_objectives(OfRows(rows))
    assert found["rival"].tolist() == ["ablation"] and found["estimate"].tolist() == pytest.approx([5])


def test_without_students_there_is_nothing_to_compare():
    nothing = OfRows({row: records for row, records in study(flat).items() if row.role == "baseline"})
    found = effects.of_ingredients(nothing)
    assert found.empty and {"panel", "factor", "label", "estimate"} <= {*found}
    assert effects.by_objectives(nothing).empty


def test_a_line_without_ends_is_told_without_them():
    lines = pd.DataFrame({"label": ["CRD", "RKD"], "estimate": [1.24, -0.5], "low": [-0.3, None], "high": [2.7, None]})
    assert effects.told(lines) == ["CRD +1.2 (-0.3 to +2.7)", "RKD -0.5"]
