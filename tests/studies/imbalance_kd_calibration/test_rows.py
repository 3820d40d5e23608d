"""Rows: what they stand beside, what they are called, and their frames in words."""

import pandas as pd
import pytest

from kdlib.studies.imbalance_kd_calibration import Row, Variant, is_core
from kdlib.studies.imbalance_kd_calibration.rows import by_panel, named, of_table, pairs, stacked, students, with_panels

CRD = Row("student", "cifar10", 100.0, "crd", "balanced_softmax", "cross_entropy", True)


def test_a_student_stands_beside_its_teacher_its_baseline_and_its_ablation():
    assert CRD.teacher == Row("teacher", "cifar10", 100.0, teacher_objective="balanced_softmax", mixup=True)
    assert CRD.baseline == Row("baseline", "cifar10", 100.0, student_objective="cross_entropy", mixup=True)
    assert CRD.ablation == Row("ablation", "cifar10", 100.0, student_objective="cross_entropy", mixup=True)
    assert CRD.baseline.ablation == CRD.ablation


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (CRD, "CRD, teacher BS, student CE, with mixup (CIFAR-10, IF 100)"),
        (CRD.teacher, "teacher BS, with mixup (CIFAR-10, IF 100)"),
        (CRD.baseline, "CE student without a teacher, with mixup (CIFAR-10, IF 100)"),
        (CRD.ablation, "CE student without its teacher's term, with mixup (CIFAR-10, IF 100)"),
        (Row("student", "mine", 2.5, "k", "t", "s"), "k, teacher t, student s, without mixup (mine, IF 2.5)"),
    ],
)
def test_rows_name_themselves(row, words):
    assert str(row) == words


def test_labels_stand_within_a_panel():
    assert (CRD.panel, CRD.label) == ("CIFAR-10, IF 100", "CRD, BS → CE, mixup")


def test_a_table_has_128_students_and_pairs_differ_in_one_field():
    table = students("cifar10", 100)
    assert len(set(table)) == 128 and CRD in table
    found = pairs(table, "mixup", True, False)
    assert len(found) == 64
    assert all(one.mixup and not other.mixup and one.label[:-5] == other.label[:-8] for one, other in found)


def test_frames_in_words():
    frame = pd.DataFrame([vars(row) for row in (CRD, CRD.teacher, CRD.baseline)])
    shown = with_panels(named(frame.assign(ece=[0.1, 0.2, 0.3])))
    assert shown["KD method"].tolist() == ["CRD", "teacher", "baseline"] and "kd" not in shown
    assert shown["student_objective"].tolist()[::2] == ["CE", "CE"] and shown["data"][0] == "CIFAR-10"
    assert shown["panel"].tolist() == ["CIFAR-10, IF 100"] * 3 and shown["ece"].tolist() == [0.1, 0.2, 0.3]
    published = named(frame[["kd", "mixup"]].head(1))
    assert published.to_dict("records") == [{"mixup": True, "KD method": "CRD"}]


def test_tables_by_their_titles():
    other = Row("student", "cifar10", 50.0, "kd", "cross_entropy", "cross_entropy")
    assert by_panel([CRD, other, CRD]) == {"CIFAR-10, IF 100": [CRD, CRD], "CIFAR-10, IF 50": [other]}
    frames = {"one": pd.DataFrame({"x": [1, 2]}), "two": pd.DataFrame({"x": [3]})}
    assert stacked(frames).to_dict("list") == {"panel": ["one", "one", "two"], "x": [1, 2, 3]}
    assert list(stacked({}, ["x"])) == ["panel", "x"]


BS, PLACE = "balanced_softmax", ("cifar10", 100.0)


@pytest.mark.parametrize(
    ("variant", "row", "setting", "words"),
    [
        (
            Variant("tried", *PLACE, "crd", BS, lr=0.4, divisor=10.0),
            Row("student", *PLACE, "crd", BS, BS),
            "1/10 of the customary weight, step size 0.4",
            "tried: CRD, teacher BS, student BS, without mixup (CIFAR-10, IF 100)",
        ),
        (
            Variant("tuned", *PLACE, "kd", BS, lr=0.05, divisor=0.5),
            Row("student", *PLACE, "kd", BS, BS),
            "2 of the customary weight, step size 0.05",
            "tuned: vanilla KD, teacher BS, student BS, without mixup (CIFAR-10, IF 100)",
        ),
        (
            Variant("tuned", *PLACE, "ablation", BS, lr=1.6),
            Row("ablation", *PLACE, student_objective=BS),
            "step size 1.6",
            "tuned: BS student without its teacher's term, without mixup (CIFAR-10, IF 100)",
        ),
        (
            Variant("longer", *PLACE, "baseline", "cross_entropy", True, lr=0.1, epochs=40),
            Row("baseline", *PLACE, student_objective="cross_entropy", mixup=True),
            "step size 0.1",
            "longer: CE student without a teacher, with mixup (CIFAR-10, IF 100)",
        ),
    ],
)
def test_a_variant_stands_beside_the_row_that_it_varies(variant, row, setting, words):
    assert (variant.row, variant.setting, str(variant)) == (row, setting, words)
    assert variant.panel == row.panel == "CIFAR-10, IF 100"


def test_the_customary_weight_is_said_as_1():
    assert Variant("tried", *PLACE, "rkd", BS, lr=0.1).setting == "1 of the customary weight, step size 0.1"


def test_rows_that_stand_for_their_kind_have_one_objective_in_both_networks():
    core = [row for row in students(*PLACE) if is_core(row)]
    assert {(row.kd, row.student_objective, row.mixup) for row in core} == {
        ("kd", "cross_entropy", False), ("kd", BS, False), ("rkd", BS, False), ("crd", BS, False), ("crd", BS, True),
    }  # fmt: skip
    assert all(row.teacher_objective == row.student_objective for row in core)
    untaught = {row for row in students(*PLACE) for row in (row.baseline, row.ablation) if is_core(row)}
    assert {(row.role, row.student_objective, row.mixup) for row in untaught} == {
        *(("baseline", own, mixup) for own in ("cross_entropy", BS) for mixup in (False, True)),
        *(("ablation", own, False) for own in ("cross_entropy", BS)),
    }
    assert not is_core(CRD.teacher)


def test_the_tables_own_lines_are_those_of_its_rows():
    variant = Variant("tuned", *PLACE, "crd", BS, lr=0.4, divisor=10.0)
    frame = pd.DataFrame({"row": [CRD, variant, CRD.baseline], "ece": [0.1, 0.2, 0.3]})
    assert of_table(frame)["ece"].tolist() == [0.1, 0.3]
    assert list(of_table(frame.head(0))) == ["row", "ece"] and of_table(frame.head(0)).empty


def test_a_table_without_a_student_has_its_roles_for_methods():
    frame = pd.DataFrame({"role": ["teacher", "baseline"], "kd": [None, None], "data": "cifar10"})
    assert named(frame)["KD method"].tolist() == ["teacher", "baseline"]
