"""Rows: what they stand beside, what they are called, and their frames in words."""

import pandas as pd
import pytest

from kdlib.studies.imbalance_kd_calibration import Row
from kdlib.studies.imbalance_kd_calibration.rows import by_panel, named, pairs, stacked, students, with_panels

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
        (Row("student", "mine", 2.5, "my kd", "focal", "focal"), "my kd, teacher focal, student focal, without mixup (mine, IF 2.5)"),
    ],
)  # fmt: skip
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
