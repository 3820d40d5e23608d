"""Tables of the study: columns under the words of people, each figure with its digits."""

from collections.abc import Mapping

import pandas as pd
from great_tables import GT

from kdlib import plots
from kdlib.studies.imbalance_kd_calibration.classes import GAPS
from kdlib.studies.imbalance_kd_calibration.rows import METHOD

_HEADINGS = {
    METHOD: "method", "teacher_objective": "teacher", "student_objective": "student", "imbalance_factor": "IF",
    "ece": "ECE", "scaled_ece": "ECE scaled", "nll": "NLL", "scaled_nll": "NLL scaled",
    "brier": "Brier", "scaled_brier": "Brier scaled", "harmonic_score": "score", "harmonic_mean": "plain mean",
    "published %": "published: accuracy %", "published gain": "published: gain", "published ECE": "published: ECE",
    "published score": "published: score", "our %": "ours: accuracy %", "our gain": "ours: gain",
    "our ECE": "ours: ECE", "our ECE scaled": "ours: scaled", "our score": "ours: score",
}  # fmt: skip
_DIGITS = {
    **dict.fromkeys(["IF", "runs", "measured", "seconds"], 0),
    **dict.fromkeys(GAPS, 1),
    **dict.fromkeys(["NLL", "NLL scaled", "Brier", "Brier scaled", "score", "low", "high", "plain mean"], 3),
    **dict.fromkeys(["ECE", "ECE scaled", "ECE: estimate", "ECE: low", "ECE: high"], 4),
    **dict.fromkeys(["published: ECE", "ours: ECE", "ours: scaled", "published: score", "ours: score"], 4),
}


def table(
    frame: pd.DataFrame, note: str, digits: Mapping[str, int] | None = None, group: str | None = "panel"
) -> GT | None:
    """As `plots.table`; None where the frame has no line, and a notebook then shows nothing."""
    shown = frame.rename(columns=_HEADINGS)
    return plots.table(shown, note=note, digits=_DIGITS | dict(digits or {}), group=group) if len(frame) else None
