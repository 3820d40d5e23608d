"""How one network's ECE changes with what is averaged over: bins and batches."""

from collections.abc import Mapping

import pandas as pd

from kdlib import evaluate

BATCH = 128  # images, as in the code of some sources


def ece_by_bins_and_batches(records: Mapping[str, dict]) -> pd.DataFrame:
    """A line per network, `records` by its title: ECE over the whole test set with 15 bins, raw and after temperature
    scaling; with 100 bins; and as a mean over batches of 128 images. Each with its noise floor, what a perfectly
    calibrated network of the same confidences would score. NaN where a reader has neither a figure's record nor the
    logits to measure it from."""
    return pd.DataFrame([{"network": title} | _line(record) for title, record in records.items()])


def _line(record: dict) -> dict[str, float]:
    whole, key = record["metrics"]["last"], record["key"]
    bins, batches = evaluate.attempt("ece", key, bins=100), evaluate.attempt("batch_ece", key, batch_size=BATCH)
    return {
        "15 bins: ECE": whole["raw"]["ece"],
        "15 bins: floor": whole["raw"]["ece_floor"],
        "15 bins: scaled": whole.get("scaled", {}).get("ece", float("nan")),
        "100 bins: ECE": bins["ece"],
        "100 bins: floor": bins["ece_floor"],
        f"batches of {BATCH}: ECE": batches["ece"],
        f"batches of {BATCH}: floor": batches["ece_floor"],
    }


def ece_beside_floor(records: Mapping[str, dict]) -> str:
    """The raw ECE of single networks, `records` by their title, beside what a calibrated one would score."""
    raw = {title: record["metrics"]["last"]["raw"] for title, record in records.items()}
    said = [f"{title} {figures['ece']:.3f} ({figures['ece_floor']:.3f})" for title, figures in raw.items()]
    brackets = "Raw ECE, in brackets what a perfectly calibrated network would score"
    return f"{brackets}: {', '.join(said)}." if said else "No network was measured."
