"""Rows that were repeated over seeds, beside rows with the same seeds."""

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from kdlib.intervals import Interval, comparisons
from kdlib.intervals.verdicts import measured, noise_of
from kdlib.studies.imbalance_kd_calibration.effects import known, told
from kdlib.studies.imbalance_kd_calibration.rows import WORDS, Row, Variant, is_core, stacked
from kdlib.studies.imbalance_kd_calibration.scores import on
from kdlib.studies.imbalance_kd_calibration.seeds import luck_of_teachers
from kdlib.studies.results import UNITS, Results, differences
from kdlib.words import count

FEW = 3  # repeats below which a row stands for nothing but itself
_Cause = tuple[Row | Variant, Row | Variant, str, str]  # a row, the one beside it, and what is said of their difference


def of_core(results: Results) -> pd.DataFrame:
    """What a teacher adds at the source's weights: a line per `panel`, row, rival (ablation, baseline) and metric, over
    the seeds that both have, with the luck of the one teacher."""
    rows = [row for row in results.of("student") if is_core(row) and len(results.rows[row]) >= FEW]
    rivals = ("ablation", "baseline")
    return _effects(results, ((row, getattr(row, of), f"against its {of}", row.label) for of in rivals for row in rows))


def of_mixup(results: Results) -> pd.DataFrame:
    """What mixup does to the student without a teacher: a line per `panel`, objective and metric, over the seeds that
    both have; and longer trained, where that was asked for."""
    rows = [row for row in results.of("baseline") if row.mixup and len(results.rows[row]) >= FEW]
    rows += [row for row in results.of("longer") if row.mixup]
    title = "mixup, against none, no teacher"
    return _effects(results, ((row, replace(row, mixup=False), title, _named(row)) for row in rows))


def finding(effects: pd.DataFrame) -> str:
    """Each difference of accuracies with its interval, in points."""
    accuracy = effects[effects["metric"] == "accuracy"]
    said = [
        f"{panel}, {factor}: {'; '.join(told(lines))}."
        for (panel, factor), lines in accuracy.groupby(["panel", "factor"], sort=False)
    ]
    return " ".join([*said, "Points of accuracy, 95% intervals."]) if said else "No such row was repeated."


def _effects(results: Results, causes: Iterable[_Cause]) -> pd.DataFrame:
    """The lines of those causes whose second row is measured."""
    panels: dict[str, list[tuple[str, str, dict[str, Interval]]]] = {}
    for row, other, title, label in causes:
        if other in results.rows:
            seeds = count(len(results.rows[row].keys() & results.rows[other].keys()), "seed")
            found = {metric: _difference(results, row, other, metric) for metric in UNITS}
            panels.setdefault(row.panel, []).append((title, f"{label}, {seeds}", found))
    return stacked({panel: differences(lines) for panel, lines in panels.items()}, differences([]))


def _difference(results: Results, row: Row | Variant, other: Row | Variant, metric: str) -> Interval:
    one, two = (measured(results.rows[each], metric) for each in (row, other))
    luck = luck_of_teachers(results, row.data, metric) if row.role == "student" else None
    return known(comparisons.difference(one, two, noise_of(on(results.rows, row.data), metric), luck))


def _named(row: Row | Variant) -> str:
    """CE, or CE, 40 epochs"""
    if isinstance(row, Variant):
        return f"{WORDS[row.objective]}, {count(row.epochs, 'epoch')}"
    return WORDS[row.student_objective]
