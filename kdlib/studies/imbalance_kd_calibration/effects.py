"""What one choice changes, everything else equal: means over pairs of rows that differ in it alone."""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

import pandas as pd

from kdlib.intervals import Interval
from kdlib.intervals.verdicts import mean_difference
from kdlib.studies.imbalance_kd_calibration.rows import WORDS, Row, by_panel, pairs, stacked
from kdlib.studies.results import UNITS, Results, differences
from kdlib.words import count

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
    Ingredient("way to distil, against vanilla KD", "kd", "kd", attrgetter("teacher")),
    Ingredient("teacher's objective, against CE", "teacher_objective", "cross_entropy", attrgetter("mixup")),
    Ingredient("student's objective, against CE", "student_objective", "cross_entropy", None),
    Ingredient("mixup, against none", "mixup", False, attrgetter("teacher_objective")),
)


def of_ingredients(results: Results) -> pd.DataFrame:
    """What each ingredient changes in the students of each `panel`: a line per ingredient, value and metric."""
    return _per_panel(results, INGREDIENTS, _of_ingredient)


def of_teachers(results: Results) -> pd.DataFrame:
    """What each way to distil adds to the students of each `panel`, against three rivals: the ablation, the baseline
    and the own teacher, which several students share."""
    return _per_panel(results, RIVALS, _against_rival)


def _per_panel(results: Results, causes: Iterable, lines: Callable[..., list[tuple]]) -> pd.DataFrame:
    found = {
        panel: differences(line for cause in causes for line in lines(results, table, cause))
        for panel, table in by_panel(results.of("student")).items()
    }
    return stacked(found, differences([]))


def _of_ingredient(results: Results, table: list[Row], ingredient: Ingredient) -> list[tuple]:
    values = dict.fromkeys(getattr(row, ingredient.field) for row in table)
    values.pop(ingredient.base, None)
    against = {value: pairs(table, ingredient.field, value, ingredient.base) for value in values}
    return _lines(results, ingredient.title, against, ingredient.cluster)


def _against_rival(results: Results, table: list[Row], rival: str) -> list[tuple]:
    methods = dict.fromkeys(row.kd for row in table)
    against = {method: [(row, getattr(row, rival)) for row in table if row.kd == method] for method in methods}
    return _lines(results, RIVALS[rival], against, attrgetter(rival))


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
    groups = f", {count(len(set(clusters)), 'group')}" if clusters else ""
    word = "mixup" if value is True else WORDS[value]
    found = {metric: _known(mean_difference(results.rows, measured, metric, clusters)) for metric in UNITS}
    return f"{word} ({count(len(measured), 'pair')}{groups})", found


def _known(found: Interval) -> Interval:
    """Without ends where training noise is unknown."""
    return found if found.decides else replace(found, low=math.nan, high=math.nan)
