"""What a long tail costs that needs no training to mend: the prior in the logits, and the one that temperatures see."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from kdlib import evaluate
from kdlib.studies.imbalance_kd_calibration.rows import OBJECTIVES, Row
from kdlib.studies.results import Results

TRAINED, REMOVED = "accuracy %: as trained", "accuracy %: prior removed"
RAW, RAW_REMOVED = "ECE: as trained", "ECE: prior removed"
BALANCED, TAILED = "ECE: scaled, balanced held-out", "ECE: scaled, long-tailed held-out"
FIGURES = [TRAINED, REMOVED, RAW, RAW_REMOVED, BALANCED, TAILED]
DIGITS = {"runs": 0} | {figure: 1 if "%" in figure else 3 for figure in FIGURES}  # of `tables.table`

_OWN = ("cross_entropy", "balanced_softmax")  # what differs between them is the prior
_BESIDE = ("teacher", "baseline", "ablation")


def free_baselines(results: Results) -> pd.DataFrame:
    """A line per panel and network without mixup that learned with CE or BS: teachers, baselines, ablations, and
    students of vanilla KD whose teacher has their own objective.

    FIGURES are as trained, with log n_c taken off the logits (Menon et al. 2021), which BS has left out already, and
    temperature-scaled by held-out images as they are and as if they had the training images' long tail; means over the
    `runs` whose evaluations or logits are at hand, NaN where there are none.
    """
    lines = [
        {"panel": row.panel, "network": _title(row)} | _means(results.rows[row].values())
        for panel in dict.fromkeys((row.data, row.imbalance_factor) for row in results.rows)
        for row in _networks(*panel)
        if row in results.rows
    ]
    return pd.DataFrame(lines, columns=["panel", "network", "runs", *FIGURES])


def finding(lines: pd.DataFrame) -> str:
    """What both come to in each panel of `free_baselines`: of the CE baseline, beside that of BS, or of the ablations
    where the baselines have no logits."""
    said = [f"{panel}: {_said(of.set_index('network'))}." for panel, of in lines.groupby("panel", sort=False)]
    return " ".join(said) or "No network was measured."


def _networks(data: str, imbalance_factor: float) -> list[Row]:
    students = [Row("student", data, imbalance_factor, "kd", own, own) for own in _OWN]
    beside = [getattr(row, role) for role in _BESIDE for row in students]
    return beside + students


def _title(row: Row) -> str:
    own = OBJECTIVES[row.student_objective or row.teacher_objective]
    return f"{own} {'KD student' if row.role == 'student' else row.role}"


def _means(records: Iterable[dict]) -> dict[str, float]:
    found = [figures for record in records if (figures := _figures(record))]
    means = {figure: np.mean([each[figure] for each in found]) if found else np.nan for figure in FIGURES}
    return {"runs": len(found)} | means


def _figures(record: dict) -> dict[str, float] | None:
    """Of a run; None where a reader has neither its evaluations nor its logits, which the column `runs` says."""
    try:
        removed, tempered = (
            evaluate.evaluation(name, record["key"]) for name in ("prior_removed", "prior_temperature")
        )
    except evaluate.NoLogitsError:
        return None
    raw = record["metrics"]["last"]["raw"]
    return {
        TRAINED: 100 * raw["accuracy"],
        REMOVED: 100 * removed["accuracy"],
        RAW: raw["ece"],
        RAW_REMOVED: removed["ece"],
        BALANCED: tempered["balanced_ece"],
        TAILED: tempered["ece"],
    }


def _said(networks: pd.DataFrame) -> str:
    measured = networks[networks["runs"] > 0]
    pairs = {role: [f"{OBJECTIVES[own]} {role}" for own in _OWN] for role in ("baseline", "ablation")}
    role = next((role for role, pair in pairs.items() if {*pair} <= {*measured.index}), None)
    if role is None:
        return "no network without a teacher has logits here"
    plain, balanced = (measured.loc[title] for title in pairs[role])
    return (
        f"log n_c taken off the logits at test, without training, brings the CE {role} from {plain[TRAINED]:.1f} to "
        f"{plain[REMOVED]:.1f} %, the BS {role} has {balanced[TRAINED]:.1f} %; a temperature fitted on held-out images "
        f"with the training images' long tail leaves the CE {role} an ECE of {plain[TAILED]:.3f} where balanced ones "
        f"leave {plain[BALANCED]:.3f}"
    )
