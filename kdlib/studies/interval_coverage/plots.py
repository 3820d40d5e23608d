"""Figures of coverage: a dot per interval, beside the band in which it should lie."""

from collections.abc import Hashable, Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from kdlib.plots.parts import key
from kdlib.plots.style import ROLES
from kdlib.studies.interval_coverage.stored import GOOD, OURS

VERDICTS = {
    "within": (ROLES["best"], "o"),
    "too low": (ROLES["worst"], "v"),
    "too high": (ROLES["teacher"], "^"),
}
RULES = {
    "kdlib": (ROLES["teacher"], "o"),
    "percentile": ("#E69F00", "v"),
    "basic": ("#CC79A7", "^"),
    "floor rule": ("#56B4E9", "s"),
    "plain sum": ("#000000", "D"),
}
_LEFT = 80  # percent: where the axis begins at the latest; what is lower stands at its left end


def ours(measured: pd.DataFrame) -> Figure:
    """Our intervals, coloured by their verdict: a panel per number of runs, a line per case. A dot's own interval is
    that of the share of test sets which it was counted from."""
    return _panels(_per_network(measured[measured["estimator"] == OURS]), "runs", "verdict", VERDICTS)


def rules(measured: pd.DataFrame) -> Figure:
    """All rules on the cases that several of them were tried on."""
    tried = measured.groupby(["runs", "networks", "metric"])["estimator"].transform("size") > 1
    return _panels(_per_network(measured[tried]), "runs", "estimator", RULES)


def designs(measured: pd.DataFrame) -> Figure:
    """The intervals of what is computed from many rows, coloured by their verdict: a panel per `figure`, a line per
    design. `measured` has columns design, figure, "coverage %", "from %", "to %" and verdict."""
    drawn = _panels(measured.assign(line=measured["design"]), "figure", "verdict", VERDICTS)
    drawn.axes[-1].set_xlabel("simulated studies whose interval holds the truth (%)")
    return drawn


def _per_network(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(line=rows["metric"] + " of " + rows["networks"])


def _panels(rows: pd.DataFrame, panel: str, by: str, styles: Mapping[Hashable, tuple[str, str]]) -> Figure:
    """A panel per value of the column `panel`, a line per value of `line`, a dot in the style of its value of `by`."""
    left = max(_LEFT, 5 * (rows["from %"].min() // 5))
    groups = dict(list(rows.groupby(panel, sort=False)))
    heights = [group["line"].nunique() + 1.5 for group in groups.values()]
    size = 8.4, 1 + 0.2 * sum(heights)
    figure, axes = plt.subplots(len(groups), 1, figsize=size, height_ratios=heights, sharex=True, squeeze=False)
    for axis, (title, group) in zip(axes[:, 0], groups.items(), strict=True):
        _panel(axis, group, by, styles, left)
        axis.set_title(title)
    axes[-1, 0].set_xlabel("test sets whose interval holds the truth (%)")
    shown = [name for name in styles if name in set(rows[by])]
    handles = [key({OURS: "ours"}.get(name, name), *styles[name]) for name in shown]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _panel(axis: Axes, group: pd.DataFrame, by: str, styles: Mapping[Hashable, tuple[str, str]], left: float) -> None:
    lines = list(group["line"].unique())
    axis.axvspan(*GOOD, color="#dfe7ee", linewidth=0)
    axis.axvline(95, color="#888888", linewidth=1)
    for name, (colour, marker) in styles.items():
        of_name = group[group[by] == name]
        places = of_name["line"].map(lines.index)
        value, low, high = (of_name[column].clip(lower=left) for column in ("coverage %", "from %", "to %"))
        axis.hlines(places, low, high, color=colour, linewidth=1.4, alpha=0.6)
        axis.plot(value, places, marker, color=colour, markersize=5)
    axis.set_yticks(range(len(lines)), lines, fontsize=8)
    axis.set(xlim=(left - 0.5, 100.5), ylim=(len(lines) - 0.4, -0.6))
    axis.xaxis.set_major_locator(MultipleLocator(5))
    axis.grid(axis="y", visible=False)
