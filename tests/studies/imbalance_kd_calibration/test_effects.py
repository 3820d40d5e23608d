"""What one choice changes: the pairs, what they have in common, and when there is no interval."""

import numpy as np
import pytest
from long_tails import flat, measured, study

from kdlib.studies import Results
from kdlib.studies.imbalance_kd_calibration import effects


class OfRows(Results):
    """The rows of a table made for the test, without their runs."""

    def __init__(self, rows):
        self.rows = rows


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
    assert "BS (32 pairs)" in gains["student's objective, against CE"].index
    assert set(found["panel"]) == {"CIFAR-10, IF 100"} and set(found["metric"]) == {"accuracy", "ece"}


def test_two_groups_give_no_interval():
    found = effects.of_ingredients(OfRows(study(flat)))
    few = found["factor"] == "teacher's objective, against CE"  # with and without mixup: two groups
    assert found.loc[few, ["low", "high"]].isna().all(axis=None) and found.loc[few, "estimate"].notna().all()
    assert found.loc[~few, ["low", "high"]].notna().all(axis=None)


def test_each_way_to_distil_against_its_rivals():
    rows = study(lambda row: (0.6 if row.kd == "crd" else 0.5, 0.1))
    heights = {"ablation": 0.4, "baseline": 0.55, "teacher": 0.7}
    for role, height in heights.items():
        rows |= {getattr(row, role): measured(lambda _, h=height: (h, 0.1), getattr(row, role)) for row in rows if row.kd}
    gains = accuracy(effects.of_teachers(OfRows(rows)))
    for role, height in heights.items():
        of_rival = gains[effects.RIVALS[role]]
        assert of_rival["CRD (32 pairs, 8 groups)"] == pytest.approx(100 * (0.6 - height), abs=0.3)
        assert of_rival["AT (32 pairs, 8 groups)"] == pytest.approx(100 * (0.5 - height), abs=0.3)


def test_a_rival_that_is_not_measured_is_left_out():
    rows = study(flat)
    one = next(row for row in rows if row.kd == "kd")
    rows[one.ablation] = measured(flat, one.ablation)
    gains = accuracy(effects.of_teachers(OfRows(rows)))
    assert ("against its ablation", "vanilla KD (4 pairs, 1 group)") in gains.index
    assert not np.isin("against its own teacher", gains.index.get_level_values("factor"))


def test_without_students_there_is_nothing_to_compare():
    nothing = OfRows({row: records for row, records in study(flat).items() if row.role == "baseline"})
    for found in (effects.of_ingredients(nothing), effects.of_teachers(nothing)):
        assert found.empty and {"panel", "factor", "label", "estimate"} <= {*found}
