"""The 49 published accuracies beside ours."""

import pandas as pd

from kdlib.studies.alpha_temperature_grid.rows import BASELINE, Row
from kdlib.studies.printed import once
from kdlib.studies.results import Results, shown
from kdlib.studies.study import Printed, published

# By the published row's networks: (student is a cnn2, has a teacher).
_ROLES = {(False, False): "teacher", (True, False): "baseline", (False, True): "self-distilled", (True, True): "cell"}
_DATA = "cifar10"  # by the accuracies: the source does not name it
_ONE_RUN = "one run a row, so that its training noise is not known"
_CHOSEN = "the cell is chosen on the test set, as the source did"


def printed() -> Printed:
    """The 49 rows as records: one run of each."""
    lines = _theirs()[["role", "alpha", "temperature", "published %"]].astype(object).replace(float("nan"), None)
    rows = {Row(*row): accuracy / 100 for *row, accuracy in lines.itertuples(index=False, name=None)}
    notes = dict.fromkeys(["D1", "D2", "D3", "D4"], _ONE_RUN) | {"D1": f"{_ONE_RUN}; {_CHOSEN}"}
    return Printed({row: once(row, _DATA, accuracy=accuracy) for row, accuracy in rows.items()}, notes)


def _theirs() -> pd.DataFrame:
    theirs = published("alpha_temperature_grid").rename(columns={"accuracy": "published %"})
    is_student, taught = theirs["student"] == "cnn2", theirs["teacher"].notna()
    return theirs.assign(role=[_ROLES[pair] for pair in zip(is_student, taught, strict=True)])


def beside_published(results: Results) -> pd.DataFrame:
    """A line per published row, matched by role, alpha and temperature: both accuracies in percent and their
    `difference`; of the cells also both gains over the baseline in points, ours with its 95% interval. What is not
    measured here is NaN."""
    theirs = _theirs()
    keys = ["role", "alpha", "temperature"]
    ours = results.means[[*keys, "accuracy %"]].rename(columns={"accuracy %": "ours %"})
    both = theirs.merge(ours.astype({"alpha": float, "temperature": float}), on=keys, how="left")
    both["difference"] = both["ours %"] - both["published %"]
    for side, gain in [("published %", "published gain"), ("ours %", "our gain")]:
        baseline = both.loc[both["role"] == "baseline", side].item()
        both[gain] = (both[side] - baseline).where(both["role"] == "cell")
    ends = [_gain(results, *key) for key in both[keys].itertuples(index=False)]
    return both.join(pd.DataFrame(ends, columns=["95% low", "95% high"]))


def _gain(results: Results, role: str, alpha: float, temperature: float) -> tuple[float, float]:
    cell = Row(role, alpha, temperature) if role == "cell" else None
    if not {cell, BASELINE} <= results.rows.keys():
        return float("nan"), float("nan")
    ends = shown(results.difference(cell, BASELINE), "accuracy")
    return ends["low"], ends["high"]


def as_table(comparison: pd.DataFrame) -> pd.DataFrame:
    """The comparison with published and ours side by side under headings, by role."""
    headings = {
        "published %": "published: accuracy %", "published gain": "published: gain",
        "ours %": "ours: accuracy %", "our gain": "ours: gain", "95% low": "ours: low", "95% high": "ours: high",
    }  # fmt: skip
    order = list(dict.fromkeys(_ROLES.values()))
    lines = comparison.sort_values("role", key=lambda role: role.map(order.index), kind="stable")
    return lines[["role", "alpha", "temperature", *headings, "difference"]].rename(columns=headings)
