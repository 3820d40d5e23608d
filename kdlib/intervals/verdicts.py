"""What all rules share: rows, verdicts, and how intervals decide."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from kdlib.intervals import comparisons as evidence
from kdlib.intervals.comparisons import Interval

HOLDS, FAILS, UNDECIDED, NOT_MEASURED = "holds", "fails", "undecided", "not measured"
_UNITS = {"points": (100, 2), "harmonic score": (1, 3)}  # scale and digits for a person

Rows = dict[tuple, dict[int, dict]]  # what a row is -> its records by repeat


class Verdict(NamedTuple):
    verdict: str
    evidence: str


class MissingRowsError(Exception):
    """A rule lacks rows: the claim is not measured."""


Rule = Callable[..., Verdict | dict[str, Verdict]]  # of rows: one verdict, or one for each scope that is decided apart


def attempt(rule: Rule, *given) -> Verdict | dict[str, Verdict]:
    """What the rule says of the given; "not measured" where it lacks rows."""
    try:
        return rule(*given)
    except MissingRowsError as missing:
        return Verdict(NOT_MEASURED, str(missing))


def apart(rule: Rule, scopes: Mapping[str, tuple]) -> Rule:
    """A rule of rows and a scope as one of rows alone, which decides each scope by what is measured of it."""
    return lambda rows: {title: attempt(rule, rows, *scope) for title, scope in scopes.items()}


def need(rows: Rows, wanted: Iterable[tuple], describe: Callable[[tuple], str] = str) -> list[tuple]:
    """The wanted rows; MissingRowsError if one is not there."""
    wanted = list(wanted)
    absent = [name for name in wanted if not rows.get(name)]
    if absent:
        raise MissingRowsError(f"{len(absent)} of its {len(wanted)} rows are missing, such as {describe(absent[0])}")
    return wanted


def measured(row: dict[int, dict], metric: str) -> evidence.Row:
    return {repeat: evidence.measurement(record, metric) for repeat, record in row.items()}


def held_out_accuracy(row: dict[int, dict]) -> float:
    """What rows are chosen by: never the test images."""
    return float(np.mean([record["metrics"]["last"]["held_out"]["accuracy"] for record in row.values()]))


def noise_of(rows: Rows, metric: str) -> evidence.TrainingNoise | None:
    """The training noise of the study: of the plain student's repeats and of every other row that was repeated."""
    return evidence.training_noise(measured(row, metric) for row in rows.values() if len(row) > 1)


def interval(rows: Rows, name: tuple, metric: str = "accuracy") -> Interval:
    """The mean of a row's repeats, in the metric's own unit."""
    return evidence.interval(measured(rows[name], metric), noise_of(rows, metric))


def difference(rows: Rows, first: tuple, second: tuple, metric: str = "accuracy") -> Interval:
    """First row minus second, in the metric's own unit."""
    return evidence.difference(measured(rows[first], metric), measured(rows[second], metric), noise_of(rows, metric))


def mean_difference(
    rows: Rows, pairs: Iterable[tuple[tuple, tuple]], metric: str = "accuracy", shared: Iterable | None = None
) -> Interval:
    """The mean over pairs of rows of first minus second; `shared` as in evidence.mean_difference."""
    return evidence.mean_difference(((measured(rows[a], metric), measured(rows[b], metric)) for a, b in pairs), shared)


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


def listed(intervals: Mapping[str, Interval], unit: str = "points") -> str:
    """Several differences: minus CE +0.42 (-0.10 to +0.94), minus CP +0.50 (-0.02 to +1.02); points, 95%, 32 pairs"""
    scale, digits = _UNITS[unit]
    figures = {name: [f"{scale * value:+.{digits}f}" for value in found[:3]] for name, found in intervals.items()}
    told = ", ".join(f"{name} {estimate} ({low} to {high})" for name, (estimate, low, high) in figures.items())
    kinds = " and ".join(dict.fromkeys(found.kind for found in intervals.values()))
    return f"{told}; {unit}, 95%, {kinds}"
