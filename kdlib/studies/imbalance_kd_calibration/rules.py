"""What decides the claims about KD, label objectives and mixup, on a table of 128 students per data set and IF."""

from collections.abc import Hashable, Iterable
from itertools import product

from kdlib.intervals import Interval, comparisons, harmonic, lead, standing, training_noise
from kdlib.intervals import Row as Measured
from kdlib.intervals.verdicts import (
    Rows,
    Verdict,
    above,
    all_of,
    below,
    choose,
    difference,
    listed,
    mean_difference,
    measured,
    need,
)
from kdlib.studies.imbalance_kd_calibration.rows import KD, OBJECTIVES, Row, pairs, panel, students, study
from kdlib.studies.imbalance_kd_calibration.scores import harmonic_scores, on
from kdlib.studies.sentences import called

DATA = ("cifar10", "cifar100")
IMBALANCE_FACTORS = (50.0, 100.0)
COMPROMISE = -0.005  # half a point less than the teacher is no compromise


def _scopes(
    data: Iterable[str] = DATA, imbalance_factors: Iterable[float] = IMBALANCE_FACTORS
) -> dict[str, tuple[str, float]]:
    return {panel(*table): table for table in product(data, imbalance_factors)}


@study.claim("A1", scopes=_scopes(data=["cifar10"]))
@study.claim("A2", scopes=_scopes(data=["cifar100"]))
def a1(rows: Rows, data: str, imbalance_factor: float) -> Verdict:
    """CRD with Balanced Softmax in teacher and student, with mixup, has the best harmonic score (A2: the same)."""
    scores = harmonic_scores(on(rows, data), _table(rows, data, imbalance_factor))
    claimed = Row("student", data, imbalance_factor, "crd", "balanced_softmax", "balanced_softmax", True)
    ahead = lead(scores.of, claimed, scores.kind)
    place, firsts, draws = standing(scores.of, claimed)
    best = max((row for row in scores.of if row != claimed), key=lambda row: scores.of[row].value)
    stands = f"it is number {place} of {len(scores.of)}, and first in {firsts} of {draws} replicates"
    return Verdict(above(0)(ahead), f"{listed({f'its row minus {best}:': ahead}, 'harmonic score')}; {stands}")


@study.claim("A3", scopes=_scopes())
def a3(rows: Rows, data: str, imbalance_factor: float) -> Verdict:
    """Balanced Softmax as the student's objective beats the others in accuracy and in ECE."""
    table = _table(rows, data, imbalance_factor)
    against = _against_each(table, "student_objective", "balanced_softmax", OBJECTIVES)
    gains = {f"accuracy {minus}": _mean(rows, found) for minus, found in against.items()}
    eces = {f"ECE {minus}": _mean(rows, found, "ece") for minus, found in against.items()}
    answers = [*map(above(0), gains.values()), *map(below(0), eces.values())]
    return Verdict(all_of(answers), f"BS: {listed(gains | eces)}")


@study.claim("A4", scopes=_scopes(imbalance_factors=[100.0]))
def a4(rows: Rows, data: str, imbalance_factor: float) -> Verdict:
    """ALS as the student's objective is more accurate than CE, and worse calibrated."""
    table = _table(rows, data, imbalance_factor)
    against = pairs(table, "student_objective", "adaptive_label_smoothing", "cross_entropy")
    found = {word: _mean(rows, against, metric) for word, metric in [("accuracy", "accuracy"), ("ECE", "ece")]}
    return Verdict(all_of(map(above(0), found.values())), f"ALS minus CE: {listed(found)}")


@study.claim("A5", scopes=_scopes())
def a5(rows: Rows, data: str, imbalance_factor: float) -> Verdict:
    """CRD has a better harmonic score than each of the other three."""
    table = _table(rows, data, imbalance_factor)
    scores = harmonic_scores(on(rows, data), table)
    against = _against_each(table, "kd", "crd", KD)
    found = {minus: harmonic.mean_difference(scores, these, _teachers(these)) for minus, these in against.items()}
    return Verdict(all_of(map(above(0), found.values())), f"CRD: {listed(found, 'harmonic score')}")


@study.claim("A6", scopes=_scopes())
def a6(rows: Rows, data: str, imbalance_factor: float) -> Verdict:
    """Vanilla KD is less accurate than CRD and than RKD."""
    table = _table(rows, data, imbalance_factor)
    against = {f"minus {KD[other]}": pairs(table, "kd", "kd", other) for other in ("crd", "rkd")}
    found = {minus: _mean(rows, these) for minus, these in against.items()}
    return Verdict(all_of(map(below(0), found.values())), f"vanilla KD: {listed(found)}")


@study.claim("A7", scopes={called(data): (data,) for data in DATA})
def a7(rows: Rows, data: str) -> Verdict:
    """From the weaker to the stronger imbalance a student with Balanced Softmax loses less accuracy than with CE."""
    weak, strong = (students(data, imbalance_factor) for imbalance_factor in IMBALANCE_FACTORS)
    need(rows, [*weak, *strong])
    loss = {row: _loss(rows[row], rows[other]) for row, other in zip(weak, strong, strict=True)}
    against = pairs(weak, "student_objective", "balanced_softmax", "cross_entropy")
    each = [(loss[one], loss[other]) for one, other in against]
    found = comparisons.mean_difference(each, _teachers(against), training_noise(loss.values()))
    return Verdict(below(0)(found), listed({"loss with BS minus loss with CE": found}))


def _loss(weak: dict[int, dict], strong: dict[int, dict]) -> Measured:
    """What a row loses in accuracy from the weaker to the stronger imbalance, by seed."""
    one, other = measured(weak, "accuracy"), measured(strong, "accuracy")
    return {repeat: one[repeat] - other[repeat] for repeat in sorted(one.keys() & other.keys())}


@study.claim("A8", scopes=_scopes())
def a8(rows: Rows, data: str, imbalance_factor: float) -> Verdict:
    """Mixup makes students more accurate. The teachers differ too: pairs of the same two have their luck in common."""
    against = pairs(_table(rows, data, imbalance_factor), "mixup", True, False)
    found = mean_difference(on(rows, data), against, clusters=[one.teacher_objective for one, _ in against])
    return Verdict(above(0)(found), listed({"with mixup minus without": found}))


@study.claim("A9", scopes=_scopes())
def a9(rows: Rows, data: str, imbalance_factor: float) -> Verdict:
    """The student best on held-out images is not less accurate than its teacher, and more than without a teacher."""
    table = _table(rows, data, imbalance_factor)
    choice = choose(on(rows, data), table)
    best = choice.row
    need(rows, [best.teacher, best.baseline])
    to_teacher, to_baseline = (difference(choice.rows, best, other) for other in (best.teacher, best.baseline))
    answer = all_of([above(COMPROMISE)(to_teacher), above(0)(to_baseline)])
    found = {"minus its teacher": to_teacher, "minus the same student without a teacher": to_baseline}
    return choice.says(answer, f"{best}: {listed(found)}")


def _mean(rows: Rows, against: list[tuple[Row, Row]], metric: str = "accuracy") -> Interval:
    """The mean over pairs, whose teachers are what they have in common."""
    return mean_difference(on(rows, against[0][0].data), against, metric, _teachers(against))


def _table(rows: Rows, data: str, imbalance_factor: float) -> list[Row]:
    return need(rows, students(data, imbalance_factor))


def _teachers(against: Iterable[tuple[Row, Row]]) -> list[Row]:
    """The teacher that both of a pair have: a way to distil passes on more or less of its luck, to all of its pairs."""
    return [one.teacher for one, _ in against]


def _against_each(
    table: Iterable[Row], field: str, one: Hashable, words: dict[Hashable, str]
) -> dict[str, list[tuple[Row, Row]]]:
    """The pairs of `one` with every other value of the field."""
    return {f"minus {word}": pairs(table, field, one, other) for other, word in words.items() if other != one}
