"""Who gains and who is sure: the head, the middle and the tail of the classes."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from kdlib import evaluate
from kdlib.metrics import Thirds, third_accuracies
from kdlib.studies.imbalance_kd_calibration.rows import named
from kdlib.studies.results import Results, one_of

THIRDS = Thirds._fields
SHARES, GAPS = ([f"{third} {what}" for third in THIRDS] for what in ("%", "gap"))


def by_third(results: Results) -> pd.DataFrame:
    """A line per student and per row without a teacher that stands beside one, in words: accuracy in percent over the
    classes of the head, the middle and the tail third, the mean over its repeats."""
    students = results.of("student")
    beside = {rival for row in students for rival in (row.baseline, row.ablation)}
    rows = [*(row for row in results.rows if row in beside), *students]
    columns = ["panel", "role", "kd", "student_objective", *SHARES]
    lines = [asdict(row) | {"panel": row.panel} | _thirds(results.rows[row].values()) for row in rows]
    return named(pd.DataFrame(lines, columns=columns))


def _thirds(records: Iterable[dict]) -> dict[str, float]:
    found = [third_accuracies(record["confusion"]) for record in records]
    return {f"{third} %": 100 * np.mean([getattr(each, third) for each in found]) for third in THIRDS}


def long_tails(results: Results) -> dict[str, dict[float, dict]]:
    """By data set and imbalance factor, what the records say of the data: its "class_counts" and "class_names"."""
    tails: dict[str, dict[float, dict]] = {}
    for row, records in results.rows.items():
        tails.setdefault(row.data, {})[row.imbalance_factor] = one_of(records)["data"]
    return tails


def means_by_third(thirds: pd.DataFrame) -> pd.DataFrame:
    """The means of `by_third` by table, role and student objective."""
    return thirds.groupby(["panel", "role", "student_objective"], sort=False)[SHARES].mean().reset_index()


def honesty_by_third(networks: Mapping[str, Mapping[str, dict]]) -> pd.DataFrame:
    """A line per network, `networks` holds records by table and title: mean confidence / accuracy in percent over the
    test images of each third's classes, and the gap, above 0 where the network is surer than it is right. NaN where a
    reader has neither the figures' record nor the logits to measure them from."""
    lines = [
        {"panel": panel, "network": title} | _honesty(evaluate.attempt("thirds", record["key"]))
        for panel, records in networks.items()
        for title, record in records.items()
    ]
    return pd.DataFrame(lines, columns=["panel", "network", *SHARES, *GAPS])


def _honesty(parts: Mapping[str, float]) -> dict[str, str | float]:
    line = {}
    for third in THIRDS:
        confidence, accuracy = 100 * parts[f"{third}_confidence"], 100 * parts[f"{third}_accuracy"]
        line |= {f"{third} %": f"{confidence:.1f} / {accuracy:.1f}", f"{third} gap": confidence - accuracy}
    return line
