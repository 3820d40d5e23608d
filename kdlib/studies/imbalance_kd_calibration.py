"""Study A: claims about KD, label objectives and mixup on a long tail; a table of 128 students a data set and IF."""

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import pandas as pd

from kdlib.intervals import comparisons, harmonic
from kdlib.intervals.best import lead
from kdlib.intervals.measurements import average
from kdlib.intervals.verdicts import (
    Rows,
    Verdict,
    above,
    all_of,
    apart,
    below,
    difference,
    held_out_accuracy,
    listed,
    mean_difference,
    measured,
    need,
    noise_of,
)

DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
FACTORS = (50.0, 100.0)
KD = {"kd": "vanilla KD", "crd": "CRD", "rkd": "RKD", "attention_transfer": "AT"}
OBJECTIVES = {
    "cross_entropy": "CE",
    "adaptive_label_smoothing": "ALS",
    "confidence_penalty": "CP",
    "balanced_softmax": "BS",
}
COMPROMISE = -0.005  # half a point less than the teacher is no compromise


class Student(NamedTuple):
    """The name of a row: equal to the plain tuple of the same values."""

    role: str
    data: str
    imbalance_factor: float
    kd: str
    teacher_objective: str
    student_objective: str
    mixup: bool


def students(data: str, factor: float) -> list[Student]:
    """The 128 rows of one table."""
    choices = product(KD, OBJECTIVES, OBJECTIVES, (False, True))
    return [Student("student", data, float(factor), *choice) for choice in choices]


def describe(name: tuple) -> str:
    """A row's name for a person: CRD, teacher BS, student CE, with mixup (CIFAR-10, IF 100)"""
    role, data, factor, *methods, mixup = name
    wording = {"student": "{}, teacher {}, student {}", "teacher": "teacher {}", "twin": "{} student without a teacher"}
    text = wording[role].format(*[(KD | OBJECTIVES).get(method, method) for method in methods])
    return f"{text}, {'with' if mixup else 'without'} mixup ({DATA.get(data, data)}, IF {factor:g})"


def harmonic_table(rows: Rows, data: str, imbalance_factor: float) -> pd.DataFrame:
    """The measured students of one table by falling harmonic score, with 95% intervals; figures are fractions.

    `harmonic_mean` is the plain one of accuracy and 1 - ECE. Scores are `provisional` until all 128 rows exist: any
    row may be the best or the worst, by which the others are scaled.
    """
    names = students(data, imbalance_factor)
    present = [name for name in names if rows.get(name)]
    scores = _harmonic(_on(rows, data), present)
    lines = []
    for name in present:
        accuracy, ece = (_value(rows[name], metric) for metric in ("accuracy", "ece"))
        mean = 2 * accuracy * (1 - ece) / (accuracy + 1 - ece)
        score = harmonic.interval(scores, name)
        lines.append((tuple(name), accuracy, ece, score.estimate, score.low, score.high, score.kind, mean))
    columns = ["name", "accuracy", "ece", "harmonic_score", "low", "high", "kind", "harmonic_mean"]
    table = pd.DataFrame(lines, columns=columns).sort_values("harmonic_score", ascending=False, kind="stable")
    return table.assign(provisional=len(present) < len(names)).reset_index(drop=True)


def a1(rows: Rows, data: str, factor: float) -> Verdict:
    """CRD with Balanced Softmax in teacher and student, with mixup, has the best harmonic score (A2: the same)."""
    scores = _harmonic(_on(rows, data), _table(rows, data, factor))
    claimed = Student("student", data, factor, "crd", "balanced_softmax", "balanced_softmax", True)
    ahead = lead(scores.of, claimed, scores.kind)
    best = max((name for name in scores.of if name != claimed), key=lambda name: scores.of[name].value)
    return Verdict(above(0)(ahead), listed({f"its row minus {describe(best)}:": ahead}, "harmonic score"))


def a3(rows: Rows, data: str, factor: float) -> Verdict:
    """Balanced Softmax as the student's objective beats the others in accuracy and in ECE."""
    table = _table(rows, data, factor)
    pairs = _against_each(table, "student_objective", "balanced_softmax", OBJECTIVES)
    gains = {f"accuracy {minus}": mean_difference(rows, found) for minus, found in pairs.items()}
    eces = {f"ECE {minus}": mean_difference(rows, found, "ece") for minus, found in pairs.items()}
    answers = [*map(above(0), gains.values()), *map(below(0), eces.values())]
    return Verdict(all_of(answers), f"BS: {listed(gains | eces)}")


def a4(rows: Rows, data: str, factor: float) -> Verdict:
    """ALS as the student's objective is more accurate than CE, and worse calibrated."""
    table = _table(rows, data, factor)
    pairs = _pairs(table, "student_objective", "adaptive_label_smoothing", "cross_entropy")
    found = {word: mean_difference(rows, pairs, metric) for metric, word in [("accuracy", "accuracy"), ("ece", "ECE")]}
    return Verdict(all_of(map(above(0), found.values())), f"ALS minus CE: {listed(found)}")


def a5(rows: Rows, data: str, factor: float) -> Verdict:
    """CRD has a better harmonic score than each of the other three."""
    table = _table(rows, data, factor)
    scores = _harmonic(_on(rows, data), table)
    pairs = _against_each(table, "kd", "crd", KD)
    found = {minus: harmonic.mean_difference(scores, these, _teachers(these)) for minus, these in pairs.items()}
    return Verdict(all_of(map(above(0), found.values())), f"CRD: {listed(found, 'harmonic score')}")


def a6(rows: Rows, data: str, factor: float) -> Verdict:
    """Vanilla KD is less accurate than CRD and than RKD."""
    table = _table(rows, data, factor)
    pairs = {f"minus {KD[other]}": _pairs(table, "kd", "kd", other) for other in ("crd", "rkd")}
    found = {minus: mean_difference(rows, these, clusters=_teachers(these)) for minus, these in pairs.items()}
    return Verdict(all_of(map(below(0), found.values())), f"vanilla KD: {listed(found)}")


def a7(rows: Rows, data: str) -> Verdict:
    """From the weaker to the stronger imbalance a student with Balanced Softmax loses less accuracy than with CE."""
    weak, strong = (students(data, factor) for factor in FACTORS)
    need(rows, [*weak, *strong], describe)
    averages = {name: average(measured(rows[name], "accuracy").values()) for name in [*weak, *strong]}
    loss = {name: {0: averages[name] - averages[other]} for name, other in zip(weak, strong, strict=True)}
    pairs = _pairs(weak, "student_objective", "balanced_softmax", "cross_entropy")
    found = comparisons.mean_difference((loss[one], loss[other]) for one, other in pairs)
    return Verdict(below(0)(found), listed({"loss with BS minus loss with CE": found}))


def a8(rows: Rows, data: str, factor: float) -> Verdict:
    """Mixup makes students more accurate. The teachers differ too: pairs of the same two have their luck in common."""
    pairs = _pairs(_table(rows, data, factor), "mixup", True, False)
    found = mean_difference(rows, pairs, clusters=[one.teacher_objective for one, _ in pairs])
    return Verdict(above(0)(found), listed({"with mixup minus without": found}))


def a9(rows: Rows, data: str, factor: float) -> Verdict:
    """The student best on held-out images is not less accurate than its teacher, and more than without a teacher."""
    table = _table(rows, data, factor)
    best = max(table, key=lambda name: held_out_accuracy(rows[name]))
    teacher = ("teacher", data, factor, best.teacher_objective, best.mixup)
    twin = ("twin", data, factor, best.student_objective, best.mixup)
    need(rows, [teacher, twin], describe)
    own = _on(rows, data)
    to_teacher, to_twin = (difference(own, best, other) for other in (teacher, twin))
    answer = all_of([above(COMPROMISE)(to_teacher), above(0)(to_twin)])
    found = {"minus its teacher": to_teacher, "minus the same student without a teacher": to_twin}
    return Verdict(answer, f"{describe(best)}: {listed(found)}")


def _scopes(data: Iterable[str] = DATA, factors: Iterable[float] = FACTORS) -> dict[str, tuple[str, float]]:
    return {f"{DATA[name]}, IF {factor:g}": (name, factor) for name in data for factor in factors}


RULES = {
    "A1": apart(a1, _scopes(data=["cifar10"])),
    "A2": apart(a1, _scopes(data=["cifar100"])),
    "A3": apart(a3, _scopes()),
    "A4": apart(a4, _scopes(factors=[100.0])),
    "A5": apart(a5, _scopes()),
    "A6": apart(a6, _scopes()),
    "A7": apart(a7, {title: (name,) for name, title in DATA.items()}),
    "A8": apart(a8, _scopes()),
    "A9": apart(a9, _scopes()),
}


def _on(rows: Rows, data: str) -> Rows:
    """The rows of one data set: training noise on another is another."""
    return {name: row for name, row in rows.items() if name[1] == data}


def _table(rows: Rows, data: str, factor: float) -> list[Student]:
    return need(rows, students(data, factor), describe)


def _pairs(table: Iterable[Student], factor: str, one, other) -> list[tuple[Student, Student]]:
    """The rows with `one` of the factor, each beside the row that has `other` and is the same in all else."""
    return [(row, row._replace(**{factor: other})) for row in table if getattr(row, factor) == one]


def _teachers(pairs: Iterable[tuple[Student, Student]]) -> list[tuple]:
    """The teacher that both of a pair have: a way to distil passes on more or less of its luck, to all of its pairs."""
    return [(one.teacher_objective, one.mixup) for one, _ in pairs]


def _against_each(table: Iterable[Student], factor: str, one: str, words: dict[str, str]) -> dict[str, list]:
    """The pairs of `one` with every other value of the factor."""
    return {f"minus {word}": _pairs(table, factor, one, other) for other, word in words.items() if other != one}


def _harmonic(rows: Rows, names: Iterable[Student]) -> harmonic.Scores:
    noises = {metric: noise_of(rows, metric) for metric in ("accuracy", "ece")}
    table = {tuple(name): {metric: measured(rows[name], metric) for metric in noises} for name in names}
    return harmonic.scores(table, noises)


def _value(row: dict[int, dict], metric: str) -> float:
    return average(measured(row, metric).values()).value
