"""Study A's rules through all four answers, on tables made for the test."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from kdlib import draws
from kdlib import studies as claims
from kdlib.intervals.comparisons import TEST_IMAGES_ONLY
from kdlib.studies import imbalance_kd_calibration as study_a

STUDY = "imbalance_kd_calibration"
DRAWS = np.random.default_rng(0).normal(0, 1, (64, 500))  # what the test images do to a network
CLAIMED = ("crd", "balanced_softmax", "balanced_softmax", True)
TABLE = ("cifar10", 100.0)
BOTH = [("cifar10", 50.0), TABLE]


def record(accuracy, ece, held_out, luck):
    """A record as far as rules read it. One overconfident bin: noise explains none of its gap."""
    return {
        "key": "made for the test",
        "spec": {"data": "cifar10"},
        "metrics": {"last": {"raw": {"accuracy": accuracy, "ece": ece}, "held_out": {"accuracy": held_out}}},
        "bootstrap": {
            "accuracy": accuracy + 0.001 * DRAWS[luck % 64],
            "ece": ece + 0.002 + 0.001 * DRAWS[(luck + 7) % 64],  # resampled, an ECE is larger
        },
        "reliability": {"counts": [10_000], "confidence": [accuracy + ece], "accuracy": [accuracy]},
    }


def row(figures, name, repeats=1):
    """Repeats of a row; `figures` is a function of its name to (accuracy, ECE) or (accuracy, ECE, held-out)."""
    luck = draws.uniform(2 * repeats, "luck of the test", *map(str, name))
    accuracy, ece, held_out = (*figures(study_a.Student(*name)), None)[:3]
    made = {}
    for repeat in range(repeats):
        by, also = 0.002 * (luck[2 * repeat : 2 * repeat + 2] - 0.5)
        made[repeat] = record(accuracy + by, ece + also, held_out or accuracy + by, int(1e6 * luck[2 * repeat]))
    return made


def study(figures, tables=(TABLE,), repeated=True):
    """All students of the tables, and two rows without a teacher that were repeated: the training noise."""
    rows = {tuple(name): row(figures, name) for table in tables for name in study_a.students(*table)}
    plain = [("twin", *TABLE, "cross_entropy", mixup) for mixup in (False, True)] if repeated else []
    return rows | {name: row(lambda _: (0.65, 0.12), (*name[:3], "none", *name[3:], False), 3) for name in plain}


def answer(claim, rows, scope="CIFAR-10, IF 100"):
    return claims.RULES[claim](rows)[scope].verdict


def reason(claim, rows, scope="CIFAR-10, IF 100"):
    return claims.RULES[claim](rows)[scope].evidence


def flat(name):
    return 0.7, 0.1


def favoured(field, value, accuracy=0.0, ece=0.0):
    """Figures of a table in which the rows with the value of the field are ahead by so much."""
    return lambda name: (0.7 + accuracy * (getattr(name, field) == value), 0.1 + ece * (getattr(name, field) == value))


def claimed_row_ahead(by):
    def figures(name):
        first = name[3:] == CLAIMED
        ordinary = 0.6 + 0.1 * draws.uniform(1, *map(str, name)).item()
        return (0.71 + by, 0.1 - by) if first else (ordinary, 0.2 - (ordinary - 0.6))

    return figures


def two_best(name):
    rival = ("rkd", *CLAIMED[1:])
    return (0.7, 0.1) if name[3:] in (CLAIMED, rival) else (0.6, 0.15 + 0.1 * (name.kd == "kd"))


@pytest.mark.parametrize(
    ("figures", "expected"),
    [(claimed_row_ahead(0.03), "holds"), (claimed_row_ahead(-0.06), "fails"), (two_best, "undecided")],
)
def test_a1_and_a2(figures, expected):
    rows = study(figures)
    found = claims.RULES["A1"](rows)["CIFAR-10, IF 100"]
    assert found.verdict == expected and "harmonic score, 95%, test images and training" in found.evidence
    on_cifar100 = {(name[0], "cifar100", *name[2:]): made for name, made in rows.items()}
    assert answer("A2", on_cifar100, "CIFAR-100, IF 100") == expected


def test_a1_is_undecided_where_training_noise_is_not_known():
    rows = study(claimed_row_ahead(0.03), repeated=False)
    assert answer("A1", rows) == "undecided" and TEST_IMAGES_ONLY in reason("A1", rows)


BALANCED = ("student_objective", "balanced_softmax")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (favoured(*BALANCED, accuracy=0.02, ece=-0.02), "holds"),
        (favoured(*BALANCED, accuracy=0.02, ece=0.02), "fails"),
        (favoured(*BALANCED, accuracy=-0.02, ece=-0.02), "fails"),
        (favoured(*BALANCED, accuracy=0.02), "undecided"),
        (lambda name: (0.7 + 0.02 * (name.student_objective in ("balanced_softmax", "confidence_penalty")),
                       0.1 - 0.02 * (name.student_objective == "balanced_softmax")), "undecided"),
    ],
)  # fmt: skip
def test_a3(figures, expected):
    assert answer("A3", study(figures)) == expected


SMOOTHED = ("student_objective", "adaptive_label_smoothing")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (favoured(*SMOOTHED, accuracy=0.02, ece=0.02), "holds"),
        (favoured(*SMOOTHED, accuracy=0.02, ece=-0.02), "fails"),
        (favoured(*SMOOTHED, ece=0.02), "undecided"),
    ],
)
def test_a4(figures, expected):
    assert answer("A4", study(figures)) == expected


def crd_and_rkd(name):
    good = name.kd in ("crd", "rkd")
    return 0.7 + 0.03 * good + 0.05 * name.mixup, 0.1 - 0.03 * good


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (lambda name: (0.7 + 0.03 * (name.kd == "crd"), 0.1 - 0.02 * (name.kd == "crd") - 0.01 * name.mixup), "holds"),
        (lambda name: (0.7 + 0.03 * (name.kd == "rkd") + 0.05 * name.mixup, 0.1), "fails"),
        (crd_and_rkd, "undecided"),
    ],
)
def test_a5(figures, expected):
    assert answer("A5", study(figures)) == expected
    assert answer("A5", study(figures, repeated=False)) == "undecided"


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (favoured("kd", "kd", accuracy=-0.02), "holds"),
        (lambda name: (0.7 - 0.02 * (name.kd == "rkd"), 0.1), "fails"),
        (lambda name: (0.7 + 0.02 * (name.kd == "crd"), 0.1), "undecided"),
    ],
)
def test_a6(figures, expected):
    assert answer("A6", study(figures)) == expected


def lucky(owner, field, value, sign=1):
    """Rows with the value of the field are ahead in accuracy and ECE, and behind where the `owner` ("teacher" or
    "student") has cross-entropy."""

    def figures(name):
        unlucky = getattr(name, f"{owner}_objective") == "cross_entropy"
        gain = sign * (-0.025 if unlucky else 0.03) * (getattr(name, field) == value)
        return 0.7 + gain, 0.1 - gain

    return figures


@pytest.mark.parametrize(
    ("claim", "ahead"),
    [("A5", ("kd", "crd")), ("A6", ("kd", "kd", -1)), ("A8", ("mixup", True))],
)
def test_what_a_teacher_brings_to_all_its_students_counts_once(claim, ahead):
    """48 pairs one way and 16 the other are many; but not if four or eight teachers decide which way."""
    assert answer(claim, study(lucky("student", *ahead))) == "holds"
    assert answer(claim, study(lucky("teacher", *ahead))) == "undecided"


def losing(balanced, plain):
    """From IF 50 to IF 100 students with Balanced Softmax lose so much, the others that."""

    def figures(name):
        by = balanced if name.student_objective == "balanced_softmax" else plain
        return 0.8 - 0.1 * (name.student_objective == "balanced_softmax") - by * (name.imbalance_factor == 100), 0.1

    return figures


@pytest.mark.parametrize(
    ("figures", "expected"),
    [(losing(0.03, 0.06), "holds"), (losing(0.06, 0.03), "fails"), (losing(0.05, 0.05), "undecided")],
)
def test_a7(figures, expected):
    assert answer("A7", study(figures, BOTH), "CIFAR-10") == expected


def test_a7_needs_both_imbalance_factors():
    rows = study(flat)
    assert answer("A7", rows, "CIFAR-10") == "not measured"
    assert "128 of its 256 rows are missing" in reason("A7", rows, "CIFAR-10")


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (favoured("mixup", True, accuracy=0.02), "holds"),
        (favoured("mixup", True, accuracy=-0.02), "fails"),
        (flat, "undecided"),
    ],
)
def test_a8(figures, expected):
    assert answer("A8", study(figures)) == expected


def against_teacher_and_twin(teacher, twin):
    """A table whose row best on held-out images is not the best on test images, and what it is compared with."""
    best = ("kd", "balanced_softmax", "adaptive_label_smoothing", True)

    def figures(name):
        return (0.7, 0.1, 0.9) if name[3:] == best else (0.75, 0.1, 0.7)

    alone = {
        ("teacher", *TABLE, "balanced_softmax", True): teacher,
        ("twin", *TABLE, "adaptive_label_smoothing", True): twin,
    }
    made = {name: {0: record(value, 0.1, value, 3)} for name, value in alone.items() if value}
    return study(figures) | made


@pytest.mark.parametrize(
    ("teacher", "twin", "expected"),
    [
        (0.69, 0.68, "holds"),
        (0.72, 0.68, "fails"),
        (0.69, 0.72, "fails"),
        (0.705, 0.68, "undecided"),
        (0.69, 0.70, "undecided"),
        (None, 0.68, "not measured"),
        (0.69, None, "not measured"),
    ],
)
def test_a9(teacher, twin, expected):
    assert answer("A9", against_teacher_and_twin(teacher, twin)) == expected


def test_a9_names_the_row_it_chose_and_the_one_it_lacks():
    chosen = reason("A9", against_teacher_and_twin(0.69, 0.68))
    assert "vanilla KD, teacher BS, student ALS, with mixup" in chosen
    lacking = reason("A9", against_teacher_and_twin(None, 0.68))
    assert "1 of its 2 rows are missing, such as teacher BS, with mixup" in lacking


def test_every_scope_has_a_line_and_those_without_rows_are_not_measured_by_name():
    table = claims.judge(STUDY, study(flat))
    every = [f"{data}, IF {factor}" for data, factor in product(("CIFAR-10", "CIFAR-100"), (50, 100))]
    expected = {"A1": every[:2], "A2": every[2:], "A4": every[1::2], "A7": ["CIFAR-10", "CIFAR-100"]}
    assert list(table) == ["id", "origin", "scope", "claim", "rule", "verdict", "evidence"]
    assert table["id"].nunique() == 9 and table["evidence"].str.len().min() > 10
    for claim, lines in table.groupby("id"):
        assert lines["scope"].tolist() == expected.get(claim, every)
        assert lines["claim"].nunique() == lines["rule"].nunique() == 1
    elsewhere = table[(table["scope"] != "CIFAR-10, IF 100") & (table["id"] != "A7")]
    assert set(elsewhere["verdict"]) == {"not measured"}
    assert elsewhere["evidence"].str.startswith("128 of its 128 rows are missing, such as vanilla KD").all()


@pytest.mark.parametrize("claim", ["A1", "A3", "A4", "A5", "A6", "A8", "A9"])
def test_one_row_less_and_nothing_is_decided(claim):
    rows = study(flat)
    del rows["student", *TABLE, "rkd", "confidence_penalty", "cross_entropy", False]
    assert answer(claim, rows) == "not measured"
    missing = "1 of its 128 rows are missing, such as RKD, teacher CP, student CE, without mixup (CIFAR-10, IF 100)"
    assert reason(claim, rows) == missing


def test_digits_never_decide_and_give_the_same_lines():
    rows = study(claimed_row_ahead(0.03))
    for made in rows.values():
        made[0]["spec"] = {"data": "digits"}
    table = claims.judge(STUDY, rows)
    assert set(table["verdict"]) == {"not measured"} and set(table["evidence"].str[:18]) == {"handwritten digits"}
    assert table["scope"].tolist() == claims.judge(STUDY, {})["scope"].tolist()


def test_digits_beside_other_data_silence_nobody():
    rows = study(claimed_row_ahead(0.03))
    before = claims.judge(STUDY, rows)
    digits = {
        ("student", "digits", 10.0, *name[3:]): {0: row[0] | {"spec": {"data": "digits"}}} for name, row in rows.items()
    }
    pd.testing.assert_frame_equal(claims.judge(STUDY, rows | digits), before)
    assert "holds" in set(before["verdict"])


def test_training_noise_on_one_data_set_is_not_that_on_another():
    rows = study(claimed_row_ahead(0.03))
    loud = {repeat: record(0.3 + 0.2 * repeat, 0.1, 0.5, repeat) for repeat in range(3)}
    others = {("twin", data, 10.0, "cross_entropy", False): loud for data in ("digits", "cifar100")}
    pd.testing.assert_frame_equal(claims.harmonic_table(rows | others, *TABLE), claims.harmonic_table(rows, *TABLE))
    assert claims.RULES["A1"](rows | others) == claims.RULES["A1"](rows)


def test_harmonic_table_is_provisional_until_every_row_exists():
    rows = study(claimed_row_ahead(0.03))
    whole = claims.harmonic_table(rows, *TABLE)
    assert len(whole) == 128 and not whole["provisional"].any()
    assert whole["name"][0] == ("student", *TABLE, *CLAIMED) and whole["harmonic_score"][0] == 1
    assert whole["harmonic_score"].is_monotonic_decreasing and whole["harmonic_score"].min() == 0
    assert (whole["low"] <= whole["harmonic_score"]).all() and (whole["harmonic_score"] <= whole["high"]).all()
    first = whole.iloc[0]
    right = 1 - first["ece"]
    assert first["harmonic_mean"] == pytest.approx(2 / (1 / first["accuracy"] + 1 / right))
    names = ["student", *TABLE, *CLAIMED[:3]]
    part = claims.harmonic_table({(*names, mixup): rows[*names, mixup] for mixup in (False, True)}, *TABLE)
    assert len(part) == 2 and part["provisional"].all() and set(part["kind"]) == {TEST_IMAGES_ONLY}
    assert list(claims.harmonic_table({}, *TABLE)) == list(whole)
