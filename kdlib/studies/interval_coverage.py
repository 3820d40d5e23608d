"""How often our intervals hold the truth: the stored simulation, and what its notebook says and shows of it."""

import datetime
from collections.abc import Iterable

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdlib.intervals import coverage, rivals
from kdlib.store import Store, write_atomically
from kdlib.store.provenance import provenance

OURS = "kdlib"  # among the estimators
GOOD = 92, 98  # percent of test sets in which a 95% interval that holds the truth is a good one
METRICS = {"accuracy": "accuracy", "nll": "NLL", "brier": "Brier", "ece": "ECE"}
RUNS = {
    "one run": "about this very network: only the test images are left to chance",
    "one run, borrowed noise": "about its method, with the training noise of another one's five repeats",
    "3 repeats": "about its method, by the mean of three trainings",
    "5 repeats": "about its method, by the mean of five trainings",
}
# Okabe & Ito (2008), and a marker each for those who tell colours apart badly.
_STYLES = {
    "kdlib": ("#0072B2", "o"),
    "percentile": ("#E69F00", "v"),
    "basic": ("#CC79A7", "^"),
    "floor rule": ("#56B4E9", "s"),
    "plain sum": ("#000000", "D"),
}
_VERDICTS = {"within": "#009E73", "too low": "#D55E00", "too high": "#0072B2"}
_AXIS = 80  # percent where the axis begins: what is lower stands at its left end


def measurement(replications: int, images: int, seed: int) -> pd.DataFrame:
    """The simulation, a row per case and estimator, with when and by which revision it was made: from the store or the
    committed results, or else made now and stored. Half a second per replication of 10,000 images on one thread."""
    store = Store()
    name = f"coverage_{replications}x{images}_seed{seed}_v{coverage.VERSION}.csv"
    kept = [folder / name for folder in (store.root, store.results) if folder and (folder / name).exists()]
    if not kept:
        _simulate(store.root / name, replications=replications, images=images, seed=seed)
        kept = [store.root / name]
    return pd.read_csv(kept[0])


def _simulate(path, **facts: int) -> None:
    table = coverage.simulate(**facts)
    date = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    text = table.assign(**facts, date=date, revision=provenance()["git"]).to_csv(index=False, float_format="%.6g")
    write_atomically(path, lambda file: file.write(text.encode()))


def cases(table: pd.DataFrame) -> pd.DataFrame:
    """The measurement with columns for a reader: `runs` (how many a row has), `networks` by their true ECE, the
    metric's name, and in `verdict` whether coverage is "within" 92 to 98 %, "too low" or "too high"."""
    runs, networks = table["case"].str.split(": ", n=1).str
    return table.assign(
        runs=runs,
        networks=networks,
        metric=table["metric"].map(METRICS),
        verdict=table["coverage %"].map(verdict),
        **{"true value": table["true value"].round(4) + 0.0},  # or half of the zeros would have a minus
    ).drop(columns="case")


def verdict(percent: float) -> str:
    low, high = GOOD
    return {(True, False): "too low", (False, True): "too high"}.get((percent < low, percent > high), "within")


def finding(found: pd.DataFrame) -> str:
    """What to see of our intervals, from `cases`."""
    ours = found[found["estimator"] == OURS]
    counts = ours["verdict"].value_counts()
    low, high = GOOD
    said = [f"**{counts.get('within', 0)} of our {len(ours)} intervals hold the truth in {low} to {high} % of test sets.**"]
    if "too low" in counts:
        said.append(f"Less often: {counts['too low']}, the least in {_at(ours, ours['coverage %'].idxmin())}.")
    if "too high" in counts:
        most = _at(ours, ours["coverage %"].idxmax())
        said.append(f"More often, so wider than need be: {counts['too high']}, the most in {most}.")
    return " ".join(said)


def finding_of_rivals(found: pd.DataFrame) -> str:
    """What to see of other rules, from `cases`."""
    others = found[found["estimator"] != OURS]
    within, worst = (others["verdict"] == "within").sum(), others["coverage %"].idxmin()
    rule = f"“{others.loc[worst, 'estimator']}” only in {_at(others, worst)}"
    return f"**Of {len(others)} intervals by other rules, {within} hold the truth as often as they should**; {rule}."


def rules() -> str:
    """The other rules, each in a line of Markdown."""
    others = {name: rule.__doc__ for name, rule in rivals.ESTIMATORS.items() if name != OURS}
    return "\n".join(f"- **{name}**: {text}" for name, text in others.items())


def beside(found: pd.DataFrame) -> pd.DataFrame:
    """The cases that another rule was tried on: the coverage of each, in percent, ours first."""
    on = ["runs", "networks", "metric"]
    wide = found.pivot_table(index=on, columns="estimator", values="coverage %", sort=False)
    wide = wide[wide.count(axis=1) > 1].rename(columns={OURS: "ours"})
    return wide.reset_index().rename_axis(columns=None)


def dots(found: pd.DataFrame) -> Figure:
    """Our intervals: a dot per case with the interval of its own, coloured by its verdict; a panel per kind of row."""
    ours = found[found["estimator"] == OURS]
    return _panels(ours, lambda row: (_VERDICTS[row["verdict"]], "o"))


def dots_of_rivals(found: pd.DataFrame) -> Figure:
    """All rules on the cases that several were tried on, in one line per case."""
    tried = found.groupby(["runs", "networks", "metric"])["estimator"].transform("nunique") > 1
    figure = _panels(found[tried], lambda row: _STYLES[row["estimator"]])
    names = [name for name in _STYLES if name in set(found["estimator"])]
    marks = [plt.Line2D([], [], color=_STYLES[name][0], marker=_STYLES[name][1], linestyle="none") for name in names]
    labels = ["ours" if name == OURS else name for name in names]
    figure.legend(marks, labels, loc="outside upper center", ncols=len(names))
    return figure


def _panels(rows: pd.DataFrame, style) -> Figure:
    groups = {runs: members for runs, members in rows.groupby("runs", sort=False)}
    lines = {runs: members[["networks", "metric"]].drop_duplicates() for runs, members in groups.items()}
    heights = [len(each) for each in lines.values()]
    figure, axes = plt.subplots(
        len(groups), 1, figsize=(8.5, 0.9 + 0.21 * sum(heights) + 0.5 * len(groups)), height_ratios=heights,
        sharex=True, squeeze=False,
    )  # fmt: skip
    for axis, (runs, members) in zip(axes[:, 0], groups.items(), strict=True):
        _panel(axis, members, lines[runs].itertuples(index=False, name=None), style)
        axis.set_title(runs)
    axes[-1, 0].set_xlabel("coverage in % of test sets, with its own 95% interval")
    return figure


def _panel(axis: Axes, members: pd.DataFrame, lines: Iterable[tuple[str, str]], style) -> None:
    places = {line: place for place, line in enumerate(lines)}
    axis.axvspan(*GOOD, color="#e8eef2", zorder=0)
    axis.axvline(95, color="#888888", linewidth=1, zorder=1)
    for _, row in members.iterrows():
        place, (colour, marker) = places[row["networks"], row["metric"]], style(row)
        value, low, high = row[["coverage %", "from %", "to %"]].clip(lower=_AXIS)
        axis.hlines(place, low, high, color=colour, linewidth=1.4, alpha=0.7)
        axis.plot(value, place, marker, color=colour, markersize=5)
    axis.set_yticks(range(len(places)), [f"{networks}, {metric}" for networks, metric in places], fontsize=8)
    axis.set(xlim=(_AXIS - 0.7, 100.7), ylim=(len(places) - 0.4, -0.6))
    axis.grid(axis="y", visible=False)


def _at(rows: pd.DataFrame, index: int) -> str:
    row = rows.loc[index]
    return f"{row['coverage %']:.1f} % ({row['runs']}, {row['metric']} of {row['networks']})"
