"""reports/coverage.csv, what kdlib.intervals.coverage measured, and its page, which is rendered from the CSV alone."""

import datetime
from pathlib import Path

import pandas as pd

from kdlib.intervals import coverage
from kdlib.store import repository, write_atomically
from kdlib.store.provenance import provenance

OURS = "kdlib"  # among the estimators
LOW, HIGH = 92, 98  # percent: a 95% interval that holds the truth this often is a good one
METRICS = {"accuracy": "accuracy", "nll": "NLL", "brier": "Brier", "ece": "ECE"}


def main(
    replications: int = 1000,
    seed: int = 0,
    images: int = 10_000,
    cases: list[coverage.Case] | None = None,
    reports: Path | None = None,
) -> pd.DataFrame:
    """Measures the coverage of our intervals, prints the table and returns it, and writes it with its page to
    <reports>/coverage.csv and .html: about half a second a replication on one thread."""
    table = coverage.simulate(replications, seed, images, cases)
    table = table.assign(replications=replications, images=images, seed=seed)
    print(table.drop(columns=["replications", "images", "seed"]).round(4).to_string(index=False))
    print(save(table, reports or repository() / "reports"))
    return table


def save(table: pd.DataFrame, reports: Path) -> Path:
    """Writes <reports>/coverage.csv, with when and by which revision it was made, and the page; returns the page."""
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    text = table.assign(date=date, revision=provenance()["git"]).to_csv(index=False, float_format="%.6g")
    write_atomically(reports / "coverage.csv", lambda file: file.write(text.encode()))
    return write_page(reports / "coverage.csv")


def write_page(csv: Path) -> Path:
    """The page beside the CSV."""
    from kdlib.report.html import template

    table = read(csv)
    ours, rivals = table[table["estimator"] == OURS], table[table["estimator"] != OURS]
    page = template("coverage.html.j2").render(
        facts=table.iloc[0].to_dict(),
        about=coverage.__doc__.partition("\n\n")[2],  # after its title
        sentences=sentences(ours, rivals),
        count=len(ours),
        ours={group: rows.to_dict("records") for group, rows in ours.groupby("group", sort=False)},
        rivals=beside(table),
        estimators=list(rivals["estimator"].unique()),
        low=LOW,
        high=HIGH,
    )
    path = csv.with_suffix(".html")
    write_atomically(path, lambda file: file.write(page.encode()))
    return path


def read(csv: Path) -> pd.DataFrame:
    """The CSV with columns for a reader: the group of a case (how many runs), what it is `of`, the metric's name, and
    whether its coverage is "within" LOW to HIGH, "too low" or "too high"."""
    table = pd.read_csv(csv)
    table[["group", "of"]] = table["case"].str.split(": ", n=1, expand=True)
    table["metric"] = table["metric"].map(METRICS)
    table["true value"] = table["true value"].round(4) + 0.0  # or half of the zeros would have a minus
    table["verdict"] = [verdict(value) for value in table["coverage %"]]
    return table


def verdict(percent: float) -> str:
    return "too low" if percent < LOW else "too high" if percent > HIGH else "within"


def sentences(ours: pd.DataFrame, rivals: pd.DataFrame) -> list[str]:
    """What to see."""
    counts = ours["verdict"].value_counts().to_dict()
    said = [f"{counts.get('within', 0)} of our {len(ours)} intervals hold the truth in {LOW} to {HIGH} % of test sets."]
    if "too low" in counts:
        said.append(f"Less often: {counts['too low']}, the least in {_at(ours, 'idxmin')}.")
    if "too high" in counts:
        said.append(f"More often, so wider than need be: {counts['too high']}, the most in {_at(ours, 'idxmax')}.")
    if len(rivals):
        good = (rivals["verdict"] == "within").sum()
        worst = rivals.loc[rivals["coverage %"].idxmin(), "estimator"]
        said.append(f"Of {len(rivals)} intervals by other rules, {good} do; “{worst}” only in {_at(rivals, 'idxmin')}.")
    return said


def beside(table: pd.DataFrame) -> list[dict]:
    """The cases that another rule was tried on, by group: the coverage of each estimator `by` its name, ours first."""
    groups = []
    for name, members in table.groupby("group", sort=False):
        rows = [
            {"of": of, "metric": metric, "by": tried.set_index("estimator")["coverage %"].to_dict()}
            for (of, metric), tried in members.groupby(["of", "metric"], sort=False)
            if len(tried) > 1
        ]
        if rows:
            groups.append({"name": name, "rows": rows, "estimators": list(members["estimator"].unique())})
    return groups


def _at(rows: pd.DataFrame, which: str) -> str:
    row = rows.loc[getattr(rows["coverage %"], which)()]
    return f"{row['coverage %']:.1f} % ({row['group']}, {row['metric']} of {row['of']})"
