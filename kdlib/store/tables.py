"""Many records as a table, a row per run."""

import numpy as np
import pandas as pd

from kdlib.run import Run

# What a table shows of a run: fractions, except NLL (nats an image) and Brier (0..2).
METRICS = (
    "accuracy", "ece", "ece_floor", "ece_floor_95", "adaptive_ece", "classwise_ece", "mce", "overconfidence_error",
    "underconfidence_error", "smooth_ece", "nll", "brier", "miscalibration", "discrimination", "uncertainty",
)  # fmt: skip


def table(runs: list[Run], records: dict[str, dict]) -> pd.DataFrame:
    """A row per run, in the order given: what it is, whether it was measured, and its metrics as fractions.

    Columns without a prefix are raw and of the last epoch; `scaled_` after temperature scaling; `best_` at the best
    held-out epoch; `held_out_` on the held-out images. Runs without a record are "not measured".
    """
    return pd.DataFrame([_row(run, records.get(run.key)) for run in runs])


def _row(run: Run, record: dict | None) -> dict:
    row = {"key": run.key, "status": record["status"] if record else "not measured", "data": run.data,
           "network": run.network, "epochs": run.epochs, "seed": run.seed}  # fmt: skip
    row["reason"] = record.get("reason") if record else None  # why a run failed
    moments = record.get("metrics", {}) if record else {}
    last, best = moments.get("last", {}), moments.get("best", {})
    prefixes = {"": (last, "raw"), "scaled_": (last, "scaled"), "held_out_": (last, "held_out"), "best_": (best, "raw")}
    for prefix, (moment, kind) in prefixes.items():
        row |= {prefix + name: moment.get(kind, {}).get(name, np.nan) for name in METRICS}
    return row | {
        "fitted_temperature": last.get("temperature", np.nan),
        "best_epoch": (record or {}).get("best_epoch"),
        "train_accuracy": (record or {}).get("train_accuracy", np.nan),
        "seconds": record["provenance"]["seconds"] if record else np.nan,
    }
