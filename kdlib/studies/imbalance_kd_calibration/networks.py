"""Single networks: those that stand for a table, and how hard each of two terms pulled at a student."""

from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd

from kdlib.studies import calibration
from kdlib.studies.imbalance_kd_calibration.rows import Row, by_panel, named, stacked
from kdlib.studies.results import Results, held_out_best, one_of

WORST = "worst student by NLL"


def of_tables(results: Results) -> dict[str, dict[str, dict]]:
    """By table and title, the records of the first seed that stand for it: the student that is best on held-out images,
    its baseline, its teacher, and the student that is worst by NLL."""
    chosen = {panel: _chosen(results, rows) for panel, rows in by_panel(results.of("student")).items()}
    return {
        panel: {title: one_of(results.rows[row]) for title, row in rows.items() if row in results.rows}
        for panel, rows in chosen.items()
    }


def _chosen(results: Results, rows: list[Row]) -> dict[str, Row]:
    best, nll = held_out_best(results, rows), results.means.set_index("row")["nll"]
    worst = nll[rows].idxmax()
    return {"best student": best, "its baseline": best.baseline, "its teacher": best.teacher, WORST: worst}


def ece_by_bins_and_batches(networks: Mapping[str, Mapping[str, dict]]) -> pd.DataFrame:
    """A line per network, as `kdlib.studies.ece_by_bins_and_batches`, under the `panel` of its table; without the worst
    student."""
    shown = {panel: {t: r for t, r in records.items() if t != WORST} for panel, records in networks.items()}
    return stacked({panel: calibration.ece_by_bins_and_batches(records) for panel, records in shown.items()})


def gradient_ratios(results: Results) -> pd.DataFrame:
    """A line per student, in words: the gradient's norm of the teacher's term by that of the labels', each with its
    weight, on the first batch of the "first epoch" and of the "last epoch"; of the first seed."""
    histories = {row: one_of(results.rows[row])["history"] for row in results.of("student")}
    lines = [
        asdict(row) | {"first epoch": _ratio(history[0]), "last epoch": _ratio(history[-1])}
        for row, history in histories.items()
    ]
    return named(pd.DataFrame(lines, columns=["role", "kd", "student_objective", "first epoch", "last epoch"]))


def _ratio(epoch: dict) -> float:
    labels, teacher = epoch["gradient_norms"]
    return teacher / labels
