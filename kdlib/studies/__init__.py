"""What the sources published, and which of their claims hold by what was measured here.

reports/published/ holds every published figure, and claims.csv every claim with the rule that decides it. A rule is a
function of the measured rows; each study's rules stand in a module of their own and are found by the claim's id.
"""

import pandas as pd

from kdlib.intervals.verdicts import NOT_MEASURED, Rows, Verdict, attempt, difference, interval, mean_difference
from kdlib.registry import KdlibError
from kdlib.store import repository
from kdlib.studies import alpha_temperature_grid, imbalance_kd_calibration
from kdlib.studies.imbalance_kd_calibration import harmonic_table

__all__ = ["RULES", "difference", "harmonic_table", "interval", "judge", "mean_difference", "published"]

RULES = {**imbalance_kd_calibration.RULES, **alpha_temperature_grid.RULES}


def published(study: str) -> pd.DataFrame:
    """The figures that a study's source prints, a row each; accuracies in percent, ECE and OE as fractions."""
    path = repository() / "reports" / "published" / f"{study}.csv"
    if not path.exists():
        raise KdlibError(f"There are no published figures for '{study}': {path} is missing.")
    return pd.read_csv(path)


def judge(study: str, rows: Rows) -> pd.DataFrame:
    """Every claim of a study with its verdict and the evidence for it: a line each, or one for each scope (such as
    "CIFAR-10, IF 50") of a claim that is decided apart.

    `rows` maps what a row is, such as ("cell", 0.5, 10.0), to its records by repeat. A claim without a rule, or whose
    rule lacks a row, is "not measured"; handwritten digits never decide.
    """
    claims = published("claims").query("study == @study")[["id", "origin", "scope", "claim", "rule"]]
    lines = [
        {**claim, "scope": scope, **verdict._asdict()}
        for claim in claims.to_dict("records")
        for scope, verdict in _judge(claim["id"], claim["scope"], rows).items()
    ]
    return pd.DataFrame(lines, columns=[*claims, *Verdict._fields])


def _judge(claim: str, scope: str, rows: Rows) -> dict[str, Verdict]:
    if claim not in RULES:
        return {scope: Verdict(NOT_MEASURED, "no rule has been written for it yet")}
    deciding = {name: row for name, row in rows.items() if not _of_digits(row)}
    found = attempt(RULES[claim], deciding)
    verdicts = found if isinstance(found, dict) else {scope: found}
    if rows and not deciding:  # the same lines as other data give
        return dict.fromkeys(verdicts, Verdict(NOT_MEASURED, "handwritten digits never decide a claim"))
    return verdicts


def _of_digits(row: dict[int, dict]) -> bool:
    return any(record["spec"]["data"] == "digits" for record in row.values())
