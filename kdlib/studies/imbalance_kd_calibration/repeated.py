"""Rows that were repeated over seeds, beside rows with the same seeds."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

import pandas as pd

from kdlib.intervals import Interval, TrainingNoise, comparisons
from kdlib.intervals.verdicts import measured, noise_of
from kdlib.studies.imbalance_kd_calibration.rows import WORDS, Row, Variant, is_core, stacked
from kdlib.studies.imbalance_kd_calibration.scores import on
from kdlib.studies.imbalance_kd_calibration.seeds import luck_of_teachers
from kdlib.studies.results import UNITS, Results, differences
from kdlib.words import count

FEW = 3  # repeats below which a row stands for nothing but itself
_Line = tuple[str, str, dict[str, Interval]] | None  # as `differences` takes them; None where the other is missing


def of_core(results: Results) -> pd.DataFrame:
    """What a teacher adds at the source's weights: a line per `panel`, row, rival (ablation, baseline) and metric, over
    the seeds that both have, with the luck of the one teacher."""
    luck = {metric: luck_of_teachers(results, metric) for metric in UNITS}
    rows = [row for row in results.of("student") if is_core(row) and len(results.rows[row]) >= FEW]
    causes = [(row, getattr(row, rival), f"against its {rival}") for rival in ("ablation", "baseline") for row in rows]
    return _per_panel(causes, lambda row, other, title: _line(results, row, other, title, row.label, luck))


def of_mixup(results: Results) -> pd.DataFrame:
    """What mixup does to the student without a teacher: a line per `panel`, objective and metric, over the seeds that
    both have; and longer trained, where that was asked for."""
    rows = [row for row in results.of("baseline") if row.mixup and len(results.rows[row]) >= FEW]
    rows += [row for row in results.of("longer") if row.mixup]
    causes = [(row, replace(row, mixup=False), "mixup, against none, no teacher") for row in rows]
    return _per_panel(causes, lambda row, other, title: _line(results, row, other, title, _named(row), {}))


def finding(effects: pd.DataFrame) -> str:
    """Each difference of accuracies with its interval, in points."""
    accuracy = effects[effects["metric"] == "accuracy"]
    said = [
        f"{panel}, {factor}: {_told(lines)}."
        for (panel, factor), lines in accuracy.groupby(["panel", "factor"], sort=False)
    ]
    return " ".join([*said, "Points of accuracy, 95% intervals."]) if said else "No such row was repeated."


def _told(lines: pd.DataFrame) -> str:
    return "; ".join(
        f"{line.label} {line.estimate:+.1f} ({line.low:+.1f} to {line.high:+.1f})" for line in lines.itertuples()
    )


def _per_panel(causes: Iterable[tuple], line: Callable[..., _Line]) -> pd.DataFrame:
    tables: dict[str, list[_Line]] = {}
    for cause in causes:
        tables.setdefault(cause[0].panel, []).append(line(*cause))
    found = {panel: differences(made for made in lines if made) for panel, lines in tables.items()}
    return stacked(found, differences([]))


def _line(
    results: Results, row: Hashable, other: Hashable, title: str, label: str, luck: dict[str, TrainingNoise | None]
) -> _Line:
    if other not in results.rows:
        return None
    shared = len(results.rows[row].keys() & results.rows[other].keys())
    found = {metric: _paired(results, row, other, metric, luck.get(metric)) for metric in UNITS}
    return title, f"{label}, {count(shared, 'seed')}", found


def _paired(results: Results, row: Hashable, other: Hashable, metric: str, luck: TrainingNoise | None) -> Interval:
    one, two = (measured(results.rows[each], metric) for each in (row, other))
    return comparisons.difference(one, two, noise_of(on(results.rows, row.data), metric), luck)


def _named(row: Row | Variant) -> str:
    """CE, or CE, 40 epochs"""
    if isinstance(row, Variant):
        return f"{WORDS[row.objective]}, {count(row.epochs, 'epoch')}"
    return WORDS[row.student_objective]
