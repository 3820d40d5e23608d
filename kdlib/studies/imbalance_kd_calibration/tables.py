"""Tables of the study: columns under the words of people, each figure with its digits."""

from collections.abc import Mapping

import pandas as pd
from great_tables import GT

from kdlib import plots
from kdlib.studies.imbalance_kd_calibration.classes import GAPS
from kdlib.studies.imbalance_kd_calibration.rows import METHOD, OBJECTIVES, named

_HEADINGS = {
    METHOD: "method", "teacher_objective": "teacher", "student_objective": "student", "imbalance_factor": "IF",
    "repeats": "seeds",
    "ece": "ECE", "scaled_ece": "ECE scaled", "nll": "NLL", "scaled_nll": "NLL scaled",
    "brier": "Brier", "scaled_brier": "Brier scaled", "harmonic_score": "score", "harmonic_mean": "plain mean",
    "published %": "published: accuracy %", "accuracy_std": "published: ± sd", "published gain": "published: gain",
    "published ECE": "published: ECE", "ece_std": "published: ECE ± sd", "published score": "published: score",
    "our %": "ours: accuracy %", "our gain": "ours: gain",
    "our ECE": "ours: ECE", "our ECE scaled": "ours: scaled", "our score": "ours: score",
}  # fmt: skip
SCALED = "Scaled: after one temperature, fitted on balanced held-out images."
AT_FLOOR = "Grey: an ECE that a calibrated network could have."
_MEASURES = ["accuracy %", "ece", "scaled_ece", "nll", "scaled_nll", "brier", "scaled_brier"]
_CHOICES = [METHOD, "teacher_objective", "student_objective", "mixup"]
_DIGITS = {
    **dict.fromkeys(["IF", "runs", "measured", "seconds", "seeds"], 0),
    **dict.fromkeys(GAPS, 1),
    **{f"accuracy %: {own}": 1 for own in OBJECTIVES.values()},
    **{f"ECE: {own}": 3 for own in OBJECTIVES.values()},
    **dict.fromkeys(["NLL", "NLL scaled", "Brier", "Brier scaled", "score", "low", "high", "plain mean", "weight"], 3),
    **dict.fromkeys(["ECE", "ECE scaled", "ECE: estimate", "ECE: low", "ECE: high"], 4),
    **dict.fromkeys(
        ["published: ECE", "published: ECE ± sd", "ours: ECE", "ours: scaled", "published: score", "ours: score"], 4
    ),
}


def table(
    frame: pd.DataFrame, note: str, digits: Mapping[str, int] | None = None, group: str | None = "panel"
) -> GT | None:
    """As `plots.table`; None where the frame has no line, and a notebook then shows nothing. The note of a table that
    has scaled figures also says what they are. Where the frame has the column `ece_floor_95`, an ECE that a calibrated
    network could have is grey."""
    if frame.empty:
        return None
    at_floor = frame["ece"] <= frame["ece_floor_95"] if "ece_floor_95" in frame else None
    shown = frame.drop(columns="ece_floor_95", errors="ignore").rename(columns=_HEADINGS)
    notes = [note] + [SCALED] * any("scaled" in heading for heading in shown) + [AT_FLOOR] * (at_floor is not None)
    greyed = {} if at_floor is None else {"ECE": at_floor}
    return plots.table(shown, " ".join(notes), _DIGITS | dict(digits or {}), group, greyed)


def by_both_objectives(means: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent and raw ECE of the students by method and both objectives, the student's in columns."""
    students = means[means["role"] == "student"]
    by = ["panel", METHOD, "teacher_objective"]
    wide = students.pivot_table(index=by, columns="student_objective", values=["accuracy %", "ece"], sort=False)
    return wide.set_axis([f"{_HEADINGS.get(metric, metric)}: {own}" for metric, own in wide], axis=1).reset_index()


def by_own_objective(means: pd.DataFrame) -> pd.DataFrame:
    """The measures of accuracy and calibration by table, role and the network's own label objective."""
    own = means["student_objective"].fillna(means["teacher_objective"])
    return (
        means.assign(objective=own).groupby(["panel", "role", "objective"], sort=False)[_MEASURES].mean().reset_index()
    )


def first_by_score(best: pd.DataFrame) -> pd.DataFrame:
    """The columns that are shown of `scores.best`."""
    scores = ["harmonic_score", "low", "high", "harmonic_mean"]
    return best[["panel", *_CHOICES, "accuracy %", "ece", "ece_floor_95", "scaled_ece", *scores]]


def beside_published(comparison: pd.DataFrame) -> pd.DataFrame:
    """The columns that are shown of `published.beside_published`."""
    theirs = ["published %", "accuracy_std", "published gain", "published ECE", "ece_std"]
    ours = ["our %", "our gain", "our ECE", "our ECE scaled"]
    return named(comparison)[["panel", "data", "imbalance_factor", *_CHOICES, *theirs, *ours]]


def beside_printed(comparison: pd.DataFrame) -> pd.DataFrame:
    """The columns that are shown of `published.beside_printed`."""
    published, ours = (
        ["published %", "published ECE", "published score"],
        ["our %", "our ECE", "our ECE scaled", "our score"],
    )
    return named(comparison)[["data", "imbalance_factor", *_CHOICES, *published, *ours]]
