"""What all rules share: rows, verdicts, and how intervals decide."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from kdlib import evidence
from kdlib.evidence import Interval

HOLDS, FAILS, UNDECIDED, NOT_MEASURED = "holds", "fails", "undecided", "not measured"

Rows = dict[tuple, dict[int, dict]]  # what a row is -> its records by repeat


class Verdict(NamedTuple):
    verdict: str
    evidence: str


class MissingRowsError(Exception):
    """A rule lacks rows: the claim is not measured."""


def need(rows: Rows, wanted: Iterable[tuple]) -> list[tuple]:
    """The wanted rows; MissingRowsError if one is not there."""
    wanted = list(wanted)
    absent = [name for name in wanted if not rows.get(name)]
    if absent:
        raise MissingRowsError(f"{len(absent)} of its {len(wanted)} rows are missing, such as {describe(absent[0])}")
    return wanted


def describe(name: tuple) -> str:
    """("cell", 0.5, 10.0) -> cell 0.5/10"""
    return " ".join([name[0], "/".join(f"{value:g}" for value in name[1:])]).strip()


def measured(row: dict[int, dict], metric: str) -> evidence.Row:
    return {repeat: evidence.measurement(record, metric) for repeat, record in row.items()}


def noise_of(rows: Rows, metric: str) -> evidence.TrainingNoise | None:
    """The training noise of the study: of the plain student's repeats and of every other row that was repeated."""
    return evidence.training_noise(measured(row, metric) for row in rows.values())


def difference(rows: Rows, first: tuple, second: tuple, metric: str = "accuracy") -> Interval:
    """First row minus second, in the metric's own unit."""
    return evidence.difference(measured(rows[first], metric), measured(rows[second], metric), noise_of(rows, metric))


def above(limit: float) -> Callable[[Interval], str]:
    """A claim that a figure lies above the limit: decided where the whole interval lies on one side."""
    return lambda i: _sides(i, i.low > limit, i.high < limit)


def below(limit: float) -> Callable[[Interval], str]:
    return lambda i: _sides(i, i.high < limit, i.low > limit)


def within(limit: float) -> Callable[[Interval], str]:
    """A claim that a figure makes no difference: fails where the whole interval lies outside of +-limit."""
    return lambda i: _sides(i, -limit < i.low and i.high < limit, i.low > limit or i.high < -limit)


def _sides(interval: Interval, holds: bool, fails: bool) -> str:
    if not interval.decides:
        return UNDECIDED
    return HOLDS if holds else FAILS if fails else UNDECIDED


def all_of(answers: Iterable[str]) -> str:
    """For a claim about several figures: fails if one fails, holds if all hold."""
    answers = list(answers)
    if FAILS in answers:
        return FAILS
    return HOLDS if set(answers) == {HOLDS} else UNDECIDED


def points(interval: Interval) -> str:
    """A difference of accuracies for a person: +0.42 points (95%: -0.10 to +0.94)"""
    estimate, low, high = (100 * value for value in interval[:3])
    return f"{estimate:+.2f} points (95%: {low:+.2f} to {high:+.2f}; {interval.kind})"
