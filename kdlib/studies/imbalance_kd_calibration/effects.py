"""What one choice changes, everything else equal: means over pairs of rows that differ in it alone."""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

import pandas as pd

from kdlib.intervals import Interval, Measurement, TrainingNoise, average, comparisons
from kdlib.intervals.verdicts import mean_difference, measured, noise_of
from kdlib.studies.imbalance_kd_calibration.rows import WORDS, Row, by_panel, pairs, stacked
from kdlib.studies.imbalance_kd_calibration.scores import on
from kdlib.studies.imbalance_kd_calibration.seeds import luck_of_teachers
from kdlib.studies.results import UNITS, Results, differences, shown
from kdlib.words import count

RIVALS = ("ablation", "baseline")
Pairs = list[tuple[Row, Row]]
_CELL = ["panel", "kd", "rival", "teacher_objective", "student_objective"]


@dataclass(frozen=True)
class Ingredient:
    """A field of students, the value that its others stand beside, and what pairs have in common besides the field: a
    teacher's luck is that of its students."""

    title: str
    field: str
    base: Hashable
    cluster: Callable[[Row], Hashable]


INGREDIENTS = (
    Ingredient("way to distil, against vanilla KD", "kd", "kd", attrgetter("teacher")),
    Ingredient("teacher's objective, against CE", "teacher_objective", "cross_entropy", attrgetter("mixup")),
    Ingredient("student's objective, against CE", "student_objective", "cross_entropy", attrgetter("teacher")),
    Ingredient("mixup, against none", "mixup", False, attrgetter("teacher_objective")),
)


def of_ingredients(results: Results) -> pd.DataFrame:
    """What each ingredient changes in the students of each `panel`: a line per ingredient, value and metric."""
    found = {
        panel: differences(line for cause in INGREDIENTS for line in _of_ingredient(results, table, cause))
        for panel, table in by_panel(results.of("student")).items()
    }
    return stacked(found, differences([]))


def by_objectives(results: Results) -> pd.DataFrame:
    """What each way to distil adds to accuracy by `panel`, rival and both objectives, in words and points: a line per
    cell, over mixup. The interval takes training noise as that of single runs, and the luck of the teacher."""
    cells: dict[tuple, Pairs] = {}
    for row in results.of("student"):
        for rival in RIVALS:
            if getattr(row, rival) in results.rows:
                cell = row.panel, row.kd, rival, row.teacher_objective, row.student_objective
                cells.setdefault(cell, []).append((row, getattr(row, rival)))
    noises = {data: _noises(results, data) for data in dict.fromkeys(row.data for row in results.of("student"))}
    gains = {cell: _gain(results, of, *noises[of[0][0].data]) for cell, of in cells.items()}
    lines = [dict(zip(_CELL, cell, strict=True)) | shown(gain, "accuracy") for cell, gain in gains.items()]
    return pd.DataFrame(lines, columns=[*_CELL, "estimate", "low", "high"]).replace(dict.fromkeys(_CELL, WORDS))


def known(found: Interval) -> Interval:
    """Without ends where training noise is unknown."""
    return found if found.decides else replace(found, low=math.nan, high=math.nan)


def told(effects: pd.DataFrame) -> list[str]:
    """Each line with its interval, where it has one: CRD +1.2 (-0.3 to +2.7)"""
    return [
        f"{line.label} {line.estimate:+.1f}"
        + (f" ({line.low:+.1f} to {line.high:+.1f})" if line.low <= line.high else "")
        for line in effects.itertuples()
    ]


def _noises(results: Results, data: str) -> tuple[TrainingNoise | None, TrainingNoise | None]:
    """Of a data set's accuracies: from seed to seed, and with the luck of a teacher."""
    return noise_of(on(results.rows, data), "accuracy"), luck_of_teachers(results, data, "accuracy")


def _gain(results: Results, cell: Pairs, noise: TrainingNoise | None, luck: TrainingNoise | None) -> Interval:
    one, other = ({0: average(_accuracies(results, side))} for side in zip(*cell, strict=True))
    return known(comparisons.difference(one, other, noise, luck))


def _accuracies(results: Results, rows: Iterable[Row]) -> list[Measurement]:
    return [average(measured(results.rows[row], "accuracy").values()) for row in rows]


def _of_ingredient(results: Results, table: list[Row], ingredient: Ingredient) -> list[tuple]:
    values = dict.fromkeys(getattr(row, ingredient.field) for row in table)
    values.pop(ingredient.base, None)
    against = {value: pairs(table, ingredient.field, value, ingredient.base) for value in values}
    return _lines(results, ingredient.title, against, ingredient.cluster)


def _lines(
    results: Results, title: str, against: dict[Hashable, Pairs], cluster: Callable[[Row], Hashable]
) -> list[tuple[str, str, dict[str, Interval]]]:
    """As `differences` takes them: of the pairs that are measured, per value that has any."""
    found = {value: [(one, other) for one, other in all_ if other in results.rows] for value, all_ in against.items()}
    return [(title, *_effect(results, value, measured, cluster)) for value, measured in found.items() if measured]


def _effect(
    results: Results, value: Hashable, pairs: Pairs, cluster: Callable[[Row], Hashable]
) -> tuple[str, dict[str, Interval]]:
    clusters = [cluster(one) for one, _ in pairs]
    word = "mixup" if value is True else WORDS[value]
    rows = on(results.rows, pairs[0][0].data)
    found = {metric: known(mean_difference(rows, pairs, metric, clusters)) for metric in UNITS}
    return f"{word} ({count(len(pairs), 'pair')}, {count(len(set(clusters)), 'group')})", found
