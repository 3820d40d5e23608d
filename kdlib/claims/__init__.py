"""What the sources published, and which of their claims hold by what was measured here.

reports/published/ holds every published figure, and claims.csv every claim with the rule that decides it. A rule is a
function of the measured rows; each study's rules stand in a module of their own and are found by the claim's id.
"""

import pandas as pd

from kdlib.claims import alpha_temperature_grid
from kdlib.claims.verdict import NOT_MEASURED, MissingRowsError, Rows, Verdict, difference
from kdlib.registry import KdlibError
from kdlib.store import repository

__all__ = ["RULES", "difference", "judge", "published"]

RULES = {**alpha_temperature_grid.RULES}


def published(study: str) -> pd.DataFrame:
    """The figures that a study's source prints, a row each; accuracies in percent, ECE and OE as fractions."""
    path = repository() / "reports" / "published" / f"{study}.csv"
    if not path.exists():
        raise KdlibError(f"There are no published figures for '{study}': {path} is missing.")
    return pd.read_csv(path)


def judge(study: str, rows: Rows) -> pd.DataFrame:
    """Every claim of a study with its verdict and the evidence for it, one line each.

    `rows` maps what a row is, such as ("cell", 0.5, 10.0), to its records by repeat. A claim without a rule, or whose
    rule lacks a row, is "not measured"; handwritten digits never decide.
    """
    claims = published("claims").query("study == @study").reset_index(drop=True)
    verdicts = [_judge(claim, rows) for claim in claims["id"]]
    return claims[["id", "origin", "scope", "claim", "rule"]].join(pd.DataFrame(verdicts))


def _judge(claim: str, rows: Rows) -> Verdict:
    if claim not in RULES:
        return Verdict(NOT_MEASURED, "no rule has been written for it yet")
    if any(record["spec"]["data"] == "digits" for row in rows.values() for record in row.values()):
        return Verdict(NOT_MEASURED, "handwritten digits never decide a claim")
    try:
        return RULES[claim](rows)
    except MissingRowsError as missing:
        return Verdict(NOT_MEASURED, str(missing))
