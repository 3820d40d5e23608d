"""What all rules share: rows, verdicts, and how intervals decide."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kdlib.intervals import comparisons
from kdlib.intervals.comparisons import Interval
from kdlib.intervals.measurements import Row, measurement
from kdlib.intervals.noise import TrainingNoise, training_noise
from kdlib.words import count

VERDICTS = HOLDS, FAILS, UNDECIDED, CANNOT, NOT_DEFINED, NOT_MEASURED = (
    "holds",
    "fails",
    "undecided",
    "cannot be decided by this design",
    "not defined",
    "not measured",
)
_UNITS = {"points": (100, 2), "harmonic score": (1, 3)}  # scale and digits for a person

Rows = dict[Hashable, dict[int, dict]]  # what a row is -> its records by repeat


@dataclass(frozen=True)
class Verdict:
    """What a rule says of a claim, one of VERDICTS, and in words the evidence for it."""

    verdict: str
    evidence: str


class MissingRowsError(Exception):
    """A rule lacks rows: the claim is not measured."""


Rule = Callable[..., Verdict]  # of the measured rows and, for a claim that is decided apart, of its scope


def attempt(rule: Rule, *given) -> Verdict:
    """What the rule says of the given; "not measured" where it lacks rows."""
    try:
        return rule(*given)
    except MissingRowsError as missing:
        return Verdict(NOT_MEASURED, str(missing))


def need(rows: Rows, wanted: Iterable[Hashable]) -> list[Hashable]:
    """The wanted rows; MissingRowsError if one is not there."""
    wanted = list(wanted)
    absent = [name for name in wanted if not rows.get(name)]
    if absent:
        raise MissingRowsError(f"{len(absent)} of its {len(wanted)} rows are missing, such as {absent[0]}")
    return wanted


def measured(row: dict[int, dict], metric: str) -> Row:
    """One metric of a row's records, by repeat."""
    return {repeat: measurement(record, metric) for repeat, record in row.items()}


def held_out_accuracy(row: dict[int, dict]) -> float:
    """What rows are chosen by: never the test images."""
    return float(np.mean([record["metrics"]["last"]["held_out"]["accuracy"] for record in row.values()]))


@dataclass(frozen=True)
class Choice:
    """A row that held-out images chose, and the rows to judge it by: its own repeats there are those that had no say.

    What luck made a row the best at one seed lifts its test accuracy at that seed, too. Judged by the same seeds, a
    choice can therefore fail, but not hold.
    """

    row: Hashable
    rows: Rows
    unseen: int  # repeats of it that had no say; below three, all are kept

    def says(self, answer: str, evidence: str) -> Verdict:
        """The verdict on the chosen row."""
        if self.unseen:
            return Verdict(answer, f"{evidence}; judged at {count(self.unseen, 'seed')} that did not choose")
        return Verdict(UNDECIDED if answer == HOLDS else answer, f"{evidence}; judged at the seeds that chose it")


def choose(rows: Rows, table: Iterable[Hashable]) -> Choice:
    """The row of the table that is best on held-out images, over the repeats that all of them have: all repeats where
    they have none in common."""
    table = list(table)
    repeats = [{*rows[row]} for row in table]
    seen = set.intersection(*repeats) or set.union(*repeats)
    best = max(table, key=lambda row: held_out_accuracy({r: rows[row][r] for r in rows[row].keys() & seen}))
    unseen = {repeat: record for repeat, record in rows[best].items() if repeat not in seen}
    return Choice(best, rows | {best: unseen}, len(unseen)) if len(unseen) > 2 else Choice(best, dict(rows), 0)


def noise_of(rows: Rows, metric: str) -> TrainingNoise | None:
    """The training noise of the study: of the baseline's repeats and of every other row that was repeated."""
    return training_noise(measured(row, metric) for row in rows.values() if len(row) > 1)


def interval(rows: Rows, name: Hashable, metric: str = "accuracy") -> Interval:
    """The mean of a row's repeats, in the metric's own unit."""
    return comparisons.interval(measured(rows[name], metric), noise_of(rows, metric))


def difference(rows: Rows, first: Hashable, second: Hashable, metric: str = "accuracy") -> Interval:
    """First row minus second, in the metric's own unit."""
    one, other = (measured(rows[name], metric) for name in (first, second))
    return comparisons.difference(one, other, noise_of(rows, metric))


def mean_difference(
    rows: Rows,
    pairs: Iterable[tuple[Hashable, Hashable]],
    metric: str = "accuracy",
    clusters: Iterable[Hashable] | None = None,
) -> Interval:
    """The mean over pairs of rows of first minus second; `clusters` as in comparisons.mean_difference. `rows` also
    holds those whose repeats show the training noise."""
    each = [(measured(rows[one], metric), measured(rows[other], metric)) for one, other in pairs]
    return comparisons.mean_difference(each, clusters, noise_of(rows, metric))


def above(limit: float) -> Callable[[Interval], str]:
    """A claim that a figure lies above the limit: decided where the whole interval lies on one side."""
    return lambda i: _sides(i, i.low > limit, i.high < limit, limit)


def below(limit: float) -> Callable[[Interval], str]:
    """A claim that a figure lies below the limit."""
    return lambda i: _sides(i, i.high < limit, i.low > limit, limit)


def within(limit: float) -> Callable[[Interval], str]:
    """A claim that a figure makes no difference: fails where the whole interval lies outside of +-limit."""
    return lambda i: _sides(i, -limit < i.low and i.high < limit, i.low > limit or i.high < -limit, limit)


def _sides(interval: Interval, holds: bool, fails: bool, margin: float) -> str:
    """A margin that is smaller than what the design can see cannot be decided by it: no figure at 0 ever would be."""
    if holds and interval.decides:
        return HOLDS
    if fails and interval.decides:
        return FAILS
    return CANNOT if margin and interval.half_width > abs(margin) else UNDECIDED


def all_of(answers: Iterable[str]) -> str:
    """For a claim about several figures: fails if one fails, holds if all hold."""
    answers = list(answers)
    if FAILS in answers:
        return FAILS
    return HOLDS if set(answers) == {HOLDS} else CANNOT if CANNOT in answers else UNDECIDED


def points(interval: Interval) -> str:
    """A difference of accuracies for a person, as in `listed`."""
    return listed({"": interval}).lstrip()


def listed(intervals: Mapping[str, Interval], unit: str = "points") -> str:
    """Several differences, and the smallest that their design could have told from 0: minus CE +0.42 (-0.10 to +0.94),
    minus CP +0.50 (-0.02 to +1.02); points, 95%, 32 pairs; told from 0 above ±0.52"""
    scale, digits = _UNITS[unit]
    told = ", ".join(f"{name} {_signed(found.scaled(scale), digits)}" for name, found in intervals.items())
    kinds = _joined(dict.fromkeys(found.kind for found in intervals.values()))
    widths = sorted({f"{scale * found.half_width:.{digits}f}" for found in intervals.values()}, key=float)
    return f"{told}; {unit}, 95%, {kinds}; told from 0 above ±{' to ±'.join(dict.fromkeys((widths[0], widths[-1])))}"


def _joined(kinds: Iterable[str]) -> str:
    """Several kinds of intervals, what they begin with said once."""
    parts = [kind.partition(": ") for kind in kinds]
    by_beginning = {begins: [end for other, _, end in parts if other == begins and end] for begins, *_ in parts}
    return " and ".join(f"{begins}: {'; '.join(ends)}" if ends else begins for begins, ends in by_beginning.items())


def _signed(interval: Interval, digits: int) -> str:
    estimate, low, high = (f"{end:+.{digits}f}" for end in (interval.estimate, interval.low, interval.high))
    return f"{estimate} ({low} to {high})"
