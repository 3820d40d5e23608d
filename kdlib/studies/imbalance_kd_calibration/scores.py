"""The harmonic scores of a table's students: the source's ranking by accuracy and calibration together."""

from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd

from kdlib.intervals import average, harmonic
from kdlib.intervals.verdicts import Rows, measured, noise_of
from kdlib.studies.imbalance_kd_calibration.rows import Row, by_panel, named, stacked, students
from kdlib.studies.results import Results


def harmonic_table(rows: Rows, data: str, imbalance_factor: float) -> pd.DataFrame:
    """The measured students of one table by falling harmonic score, with 95% intervals; figures are fractions.

    `harmonic_mean` is the plain one of accuracy and 1 - ECE. Scores are `provisional` until all 128 rows exist: any
    row may be the best or the worst, by which the others are scaled.
    """
    every = students(data, imbalance_factor)
    present = [row for row in every if rows.get(row)]
    scores = harmonic_scores(on(rows, data), present)
    lines = [{"row": row} | _figures(rows[row]) | _interval(scores, row) for row in present]
    columns = ["row", "accuracy", "ece", "harmonic_mean", "harmonic_score", "low", "high", "kind"]
    table = pd.DataFrame(lines, columns=columns).sort_values("harmonic_score", ascending=False, kind="stable")
    return table.assign(provisional=len(present) < len(every)).reset_index(drop=True)


def score_tables(results: Results) -> dict[str, pd.DataFrame]:
    """The harmonic table of each table's students, by its title."""
    firsts = {panel: rows[0] for panel, rows in by_panel(results.of("student")).items()}
    return {panel: harmonic_table(results.rows, row.data, row.imbalance_factor) for panel, row in firsts.items()}


def best(tables: Mapping[str, pd.DataFrame], means: pd.DataFrame, count: int = 5) -> pd.DataFrame:
    """The first rows of each harmonic table, with their lines of `means`."""
    columns = ["row", "harmonic_score", "low", "high", "harmonic_mean"]
    first = stacked({panel: table[columns].head(count) for panel, table in tables.items()}, columns)
    return first.merge(means.drop(columns="panel"), on="row")


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """A harmonic table as figures take it: with its rows' fields in words, their `label` and `score`."""
    fields = named(pd.DataFrame([asdict(row) for row in table["row"]]))
    labelled = table.assign(label=[row.label for row in table["row"]], score=table["harmonic_score"])
    return labelled.join(fields)


def harmonic_scores(rows: Rows, table: list[Row]) -> harmonic.Scores:
    """The scores of the rows of one table; `rows` also holds those of its data set whose repeats show the training
    noise."""
    noises = {metric: noise_of(rows, metric) for metric in ("accuracy", "ece")}
    return harmonic.scores({row: {metric: measured(rows[row], metric) for metric in noises} for row in table}, noises)


def on(rows: Rows, data: str) -> Rows:
    """The table's rows of one data set: training noise on another, or at another step size, is another."""
    return {row: records for row, records in rows.items() if isinstance(row, Row) and row.data == data}


def _figures(records: dict[int, dict]) -> dict[str, float]:
    accuracy, ece = (average(measured(records, metric).values()).value for metric in ("accuracy", "ece"))
    return {"accuracy": accuracy, "ece": ece, "harmonic_mean": 2 * accuracy * (1 - ece) / (accuracy + 1 - ece)}


def _interval(scores: harmonic.Scores, row: Row) -> dict[str, float | str]:
    score = harmonic.interval(scores, row)
    return {"harmonic_score": score.estimate, "low": score.low, "high": score.high, "kind": score.kind}
