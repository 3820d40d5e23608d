"""What the simulation found, in words and in tables."""

import pandas as pd

from kdlib.studies.interval_coverage.stored import GOOD, OURS
from kdlib.studies.sentences import listing
from kdlib.words import count

_ON = ["runs", "networks", "metric"]  # what a case is


def scale(measured: pd.DataFrame) -> str:
    """1,000 test sets of 10,000 images, seed 0"""
    facts = measured.iloc[0]
    return f"{count(facts['replications'], 'test set')} of {count(facts['images'], 'image')}, seed {facts['seed']}"


def precision(measured: pd.DataFrame) -> str:
    """How well so many replications can tell a coverage of 95 %, and when they were drawn."""
    facts = measured.iloc[0]
    half = 196 * (0.95 * 0.05 / facts["replications"]) ** 0.5
    made = f"Simulated on {facts['date'][:10]} at revision {str(facts['revision'])[:12]}"
    return f"{made}; so many test sets measure a coverage of 95 % to ± {half:.1f} points."


def of_ours(measured: pd.DataFrame) -> str:
    """How many of our intervals hold the truth as often as they should, and the worst of the others."""
    ours = measured[measured["estimator"] == OURS]
    counts, coverage = ours["verdict"].value_counts(), ours["coverage %"]
    said = [f"{counts.get('within', 0)} of our {len(ours)} intervals hold the truth in {_good()} of test sets."]
    if "too low" in counts:
        said.append(f"Less often: {counts['too low']}, the least in {_at(ours.loc[coverage.idxmin()])}.")
    if "too high" in counts:
        most = _at(ours.loc[coverage.idxmax()])
        said.append(f"More often, so wider than need be: {counts['too high']}, the most in {most}.")
    return " ".join(said)


def of_designs(measured: pd.DataFrame) -> str:
    """How many designs' intervals hold the truth as often as they should, and those that do not."""
    low = measured[measured["verdict"] == "too low"]
    counts = measured["verdict"].value_counts()
    said = [
        f"{counts.get('within', 0)} of {len(measured)} designs' intervals hold the truth in {_good()} of simulated "
        f"studies, {counts.get('too high', 0)} more often."
    ]
    rows = zip(low["coverage %"], low["figure"], low["design"], strict=True)
    missed = [f"{percent:.1f} % ({figure}, {design})" for percent, figure, design in rows]
    return " ".join([*said, f"Less often: {listing(missed)}."])


def of_rivals(measured: pd.DataFrame) -> str:
    """How many intervals by other rules do, and the worst of them."""
    others = measured[measured["estimator"] != OURS]
    worst = others.loc[others["coverage %"].idxmin()]
    good, least = (others["verdict"] == "within").sum(), f"“{worst['estimator']}” only in {_at(worst)}"
    return f"{good} of {len(others)} intervals by other rules hold the truth in {_good()} of test sets; {least}."


def ours(measured: pd.DataFrame) -> pd.DataFrame:
    """Our intervals, a line per case."""
    columns = [*_ON, "true value", "mean width", "coverage %", "from %", "to %", "verdict"]
    return measured.loc[measured["estimator"] == OURS, columns]


def beside(measured: pd.DataFrame) -> pd.DataFrame:
    """The cases that other rules were tried on: the coverage of each rule in percent, a line per case."""
    wide = measured.pivot_table("coverage %", index=_ON, columns="estimator", sort=False)
    return wide[wide.count(axis=1) > 1].reset_index().rename(columns={OURS: "ours"}).rename_axis(columns=None)


def headline(measured: pd.DataFrame) -> dict[str, str]:
    """What a reader should keep."""
    counts = ours(measured)["verdict"].value_counts()
    within = f"{counts.get('within', 0)} of {counts.sum()} cases"
    return {f"truth held in {_good()} of test sets": within, "too seldom": f"{counts.get('too low', 0)} cases"}


def _good() -> str:
    return "{} to {} %".format(*GOOD)


def _at(row: pd.Series) -> str:
    return f"{row['coverage %']:.1f} % ({row['runs']}, {row['metric']} of {row['networks']})"
