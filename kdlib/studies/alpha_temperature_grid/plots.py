"""Figures that only a grid over alpha and temperature needs."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from kdlib.plots import ROLES, shades, tradeoff

COLOURS = ROLES | {"best cell": ROLES["best"], "worst cell": ROLES["worst"]}
PANELS = {
    "accuracy %": "Test accuracy (%)",
    "ece": "Test ECE (15 bins, raw)",
    "scaled_ece": "Test ECE after temperature scaling",
}

_STYLES = {max: {"cmap": "mako_r", "fmt": ".1f"}, min: {"cmap": "mako", "fmt": ".3f"}}  # dark is good


def heatmaps(cells: pd.DataFrame) -> Figure:
    """A heatmap per column of PANELS, alpha downwards, the best figure framed. `cells` has a line per cell."""
    figure, axes = plt.subplots(len(PANELS), 1, figsize=(8.4, 2.9 * len(PANELS)))
    for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
        grid = cells.pivot_table(index="alpha", columns="temperature", values=column, observed=True)
        better = max if column == "accuracy %" else min
        sns.heatmap(grid, ax=axis, annot=True, annot_kws={"size": 9}, linewidths=0.5, **_STYLES[better])
        place = [*grid.to_numpy().ravel()].index(better(grid.stack()))
        row, at = divmod(place, grid.shape[1])
        axis.add_patch(Rectangle((at, row), 1, 1, fill=False, edgecolor="#E69F00", linewidth=3))
        axis.set(title=title, xlabel="temperature T", ylabel="weight α of the teacher")
        axis.set_xticklabels([f"{t:g}" for t in grid.columns], rotation=0)
        axis.set_yticklabels([f"{a:g}" for a in grid.index], rotation=0)
    return figure


def temperature_lines(cells: pd.DataFrame, baseline: pd.DataFrame, without: pd.DataFrame) -> Figure:
    """Accuracy and raw ECE: a line per alpha over the temperatures, and the baseline (mean and range of its repeats) as
    a band.

    `cells` has a line per cell, with the ends of its intervals in columns "<column> low" and "<column> high";
    `baseline` a line per repeat; `without` a line per alpha, the same objective less the teacher's term: dotted in the
    alpha's colour, at the right, where the teacher's term is weakest.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.2, 4.1))
    alphas = sorted(cells["alpha"].unique())
    for axis, column in zip(axes, ("accuracy %", "ece"), strict=True):
        for alpha, colour in zip(alphas, shades(len(alphas)), strict=True):
            line = cells[cells["alpha"] == alpha].groupby("temperature").mean(numeric_only=True)
            line.index *= 1 + 0.025 * (alphas.index(alpha) - len(alphas) // 2)  # beside each other, to be told apart
            axis.plot(line.index, line[column], marker="o", markersize=4, color=colour, label=f"α {alpha:g}")
            axis.vlines(line.index, line[f"{column} low"], line[f"{column} high"], color=colour, alpha=0.5)
            for height in without.loc[without["alpha"] == alpha, column]:
                axis.axhline(height, 0.72, color=colour, linestyle=":", linewidth=2.2)
        values = baseline[column].dropna()
        if len(values):
            axis.axhspan(values.min(), values.max(), color=ROLES["baseline"], alpha=0.18, linewidth=0)
            axis.axhline(values.mean(), color=ROLES["baseline"], linestyle="--", label="baseline")
        axis.set(title=PANELS[column], xlabel="temperature T (log scale)", xscale="log")
        ticks = sorted(cells["temperature"].unique())
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks], rotation=45, fontsize=8)
        axis.minorticks_off()
    handles, labels = axes[0].get_legend_handles_labels()
    if len(without):
        handles.append(Line2D([], [], color="#555555", linestyle=":", linewidth=2.2))
        labels.append("teacher's term left out")
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def accuracy_against_ece(runs: pd.DataFrame) -> Figure:
    """A point per run of the cells, coloured by alpha, and of the baseline."""
    cells, baseline = (runs[runs["role"] == role] for role in ("cell", "baseline"))
    names = {alpha: f"α {alpha:g}" for alpha in sorted(cells["alpha"].unique())}
    palette = dict(zip(names.values(), shades(len(names)), strict=True)) | {"baseline": ROLES["baseline"]}
    points = pd.concat([cells.assign(weight=cells["alpha"].map(names)), baseline.assign(weight="baseline")])
    shown = points.assign(panel="")
    return tradeoff.accuracy_against_ece(shown, hue="weight", palette=palette)
