"""What one choice changes, everything else equal: means over pairs of rows that differ in it alone."""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import pandas as pd

from kdlib.intervals.comparisons import Interval
from kdlib.intervals.verdicts import mean_difference
from kdlib.studies.imbalance_kd_calibration.rows import WORDS, Row, pairs
from kdlib.studies.results import UNITS, Results, differences
from kdlib.studies.words import plural

RIVALS = {
    "ablation": "against its ablation",
    "baseline": "against its baseline",
    "teacher": "against its own teacher",
}
Pairs = list[tuple[Row, Row]]


@dataclass(frozen=True)
class Ingredient:
    """A field of students, the value that its others stand beside, and what pairs have in common besides the field: a
    teacher's luck is that of its students, unless a pair has one teacher and learns from it in one way, where it
    cancels."""

    title: str
    field: str
    base: Hashable
    cluster: Callable[[Row], Hashable] | None


INGREDIENTS = (
    Ingredient("way to distil, against vanilla KD", "kd", "kd", lambda row: row.teacher),
    Ingredient("teacher's objective, against CE", "teacher_objective", "cross_entropy", lambda row: row.mixup),
    Ingredient("student's objective, against CE", "student_objective", "cross_entropy", None),
    Ingredient("mixup, against none", "mixup", False, lambda row: row.teacher_objective),
)


def of_ingredients(results: Results, table: Iterable[Row]) -> pd.DataFrame:
    """What each ingredient changes in the students of one table: a line per ingredient, value and metric."""
    table = list(table)
    return differences(line for ingredient in INGREDIENTS for line in _of_ingredient(results, table, ingredient))


def _of_ingredient(results: Results, table: list[Row], ingredient: Ingredient) -> list[tuple]:
    values = dict.fromkeys(getattr(row, ingredient.field) for row in table)
    values.pop(ingredient.base, None)
    against = {value: pairs(table, ingredient.field, value, ingredient.base) for value in values}
    return _lines(results, ingredient.title, against, ingredient.cluster)


def of_teachers(results: Results, table: Iterable[Row]) -> pd.DataFrame:
    """What each way to distil adds to the students of one table, against three rivals: the ablation, the baseline and
    the own teacher, which several students share."""
    table = list(table)
    return differences(line for rival in RIVALS for line in _against_rival(results, table, rival))


def _against_rival(results: Results, table: list[Row], rival: str) -> list[tuple]:
    methods = dict.fromkeys(row.kd for row in table)
    against = {method: [(row, getattr(row, rival)) for row in table if row.kd == method] for method in methods}
    return _lines(results, RIVALS[rival], against, lambda row: getattr(row, rival))


def _lines(
    results: Results, title: str, against: dict[Hashable, Pairs], cluster: Callable[[Row], Hashable] | None
) -> list[tuple[str, str, dict[str, Interval]]]:
    """As `differences` takes them: of the pairs that are measured, per value that has any."""
    found = {value: [(one, other) for one, other in all_ if other in results.rows] for value, all_ in against.items()}
    return [(title, *_effect(results, value, measured, cluster)) for value, measured in found.items() if measured]


def _effect(
    results: Results, value: Hashable, measured: Pairs, cluster: Callable[[Row], Hashable] | None
) -> tuple[str, dict[str, Interval]]:
    clusters = cluster and [cluster(one) for one, _ in measured]
    groups = f", {plural(len(set(clusters)), 'group')}" if clusters else ""
    word = "mixup" if value is True else WORDS[value]
    found = {metric: _known(mean_difference(results.rows, measured, metric, clusters)) for metric in UNITS}
    return f"{word} ({plural(len(measured), 'pair')}{groups})", found


def _known(found: Interval) -> Interval:
    """Without ends where training noise is unknown."""
    return found if found.decides else Interval(found.estimate, math.nan, math.nan, found.kind)
