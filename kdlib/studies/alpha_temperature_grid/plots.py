"""Figures that only a grid over alpha and temperature needs."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from kdlib.plots import ROLES, heat, shades, tradeoff

COLOURS = ROLES | {"best cell": ROLES["best"], "worst cell": ROLES["worst"]}
PANELS = {
    "accuracy %": "Test accuracy (%)",
    "ece": "Test ECE (15 bins, raw)",
    "scaled_ece": "Test ECE after temperature scaling",
}

_STYLES = {  # dark is good
    "accuracy %": {"cmap": "mako_r", "fmt": ".1f"},
    "ece": {"cmap": "mako", "fmt": ".3f"},
    "scaled_ece": {"cmap": "mako", "fmt": ".3f"},
}


def heatmaps(cells: pd.DataFrame, chosen: tuple[float, float] | None = None) -> Figure:
    """A heatmap per column of PANELS, alpha downwards, with a frame around the chosen cell (alpha, temperature): one
    that held-out images chose, since the best on the test images is the best by luck, too.

    `cells` has a line per cell. An ECE at or below the 95% level of its noise floor (the columns "ece_floor_95" and
    "scaled_ece_floor_95", which may be missing) is hatched: a calibrated network could have it as well.
    """
    figure, axes = plt.subplots(len(PANELS), 1, figsize=(6.6, 2.6 * len(PANELS) + 0.5))
    at_floor = pd.DataFrame({column: cells[column] <= cells.get(f"{column}_floor_95", -np.inf) for column in PANELS})
    for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
        grid, hatched = _grid(cells, cells[column]), _grid(cells, at_floor[column]).eq(True)
        heat.heatmap(axis, grid, hatched, vmin=cells[column].min(), vmax=cells[column].max(), **_STYLES[column])
        axis.set(title=title, xlabel="temperature T", ylabel="weight α of the teacher")
        axis.set_xticklabels([f"{t:g}" for t in grid.columns], rotation=0)
        axis.set_yticklabels([f"{a:g}" for a in grid.index], rotation=0)
        if chosen:
            heat.frame(axis, grid, *chosen)
    keys = {"chosen on held-out images": heat.FRAMED} if chosen else {}
    if at_floor.any(axis=None):
        keys["at or below the noise floor's 95% level: a calibrated network could have it"] = heat.HATCHED
    if keys:
        handles = [Patch(**look, label=label) for label, look in keys.items()]
        figure.legend(handles=handles, loc="outside lower left", fontsize=9)
    return figure


def _grid(cells: pd.DataFrame, values: pd.Series) -> pd.DataFrame:
    """Values of the cells, alpha downwards, temperature to the right."""
    return cells.assign(values=values).pivot(index="alpha", columns="temperature", values="values")


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
