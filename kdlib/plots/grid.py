"""Figures of a study over a grid of alpha and temperature."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from kdlib.plots.style import ROLES, shades


def heatmaps(cells: pd.DataFrame, columns: Mapping[str, str], best: Mapping[str, str]) -> Figure:
    """One heatmap a column of `cells` (a row an alpha and temperature; repeats are averaged), alpha downwards.

    `columns` maps a column to its title with unit; `best` maps it to "max" or "min", which is outlined.
    """
    figure, axes = plt.subplots(len(columns), 1, figsize=(8.4, 2.9 * len(columns)), squeeze=False)
    for axis, (column, title) in zip(axes[:, 0], columns.items(), strict=True):
        grid = cells.pivot_table(index="alpha", columns="temperature", values=column, observed=True)
        # Dark is good in every panel.
        palette = "mako_r" if best[column] == "max" else "mako"
        digits = ".1f" if np.nanmax(grid.to_numpy()) > 1 else ".3f"
        sns.heatmap(grid, ax=axis, annot=True, fmt=digits, cmap=palette, annot_kws={"size": 9}, linewidths=0.5)
        flat = grid.to_numpy().ravel()
        place = np.nanargmax(flat) if best[column] == "max" else np.nanargmin(flat)
        row, at = divmod(int(place), grid.shape[1])
        axis.add_patch(Rectangle((at, row), 1, 1, fill=False, edgecolor="#E69F00", linewidth=3))
        axis.set(title=title, xlabel="temperature T", ylabel="weight α of the teacher")
        axis.set_xticklabels([f"{t:g}" for t in grid.columns], rotation=0)
        axis.set_yticklabels([f"{a:g}" for a in grid.index], rotation=0)
    return figure


def temperature_lines(
    cells: pd.DataFrame, plain: pd.DataFrame, columns: Mapping[str, str], without: pd.DataFrame
) -> Figure:
    """For each column a panel: one line an alpha over the temperatures, and the plain student (mean and range of its
    repeats) as a band.

    `cells` has a row a repeat of a cell (which are averaged) or a row a cell; columns "<column> low" and "<column>
    high" are drawn as its interval. `without` has a row an alpha, the same objective less the teacher's term: a dotted
    line in the alpha's colour, at the right, where the teacher's term is weakest.
    """
    figure, axes = plt.subplots(1, len(columns), figsize=(4.6 * len(columns), 4.1), squeeze=False)
    alphas = sorted(cells["alpha"].unique())
    for axis, (column, title) in zip(axes[0], columns.items(), strict=True):
        for alpha, colour in zip(alphas, shades(len(alphas)), strict=True):
            line = cells[cells["alpha"] == alpha].groupby("temperature").mean(numeric_only=True)
            line.index *= 1 + 0.025 * (alphas.index(alpha) - len(alphas) // 2)  # beside each other, to be told apart
            axis.plot(line.index, line[column], marker="o", markersize=4, color=colour, label=f"α {alpha:g}")
            if f"{column} low" in line:
                axis.vlines(line.index, line[f"{column} low"], line[f"{column} high"], color=colour, alpha=0.5)
            for height in without.loc[without["alpha"] == alpha, column]:
                axis.axhline(height, 0.72, color=colour, linestyle=":", linewidth=2.2)
        values = plain[column].dropna()
        if len(values):
            axis.axhspan(values.min(), values.max(), color=ROLES["plain"], alpha=0.18, linewidth=0)
            axis.axhline(values.mean(), color=ROLES["plain"], linestyle="--", label="plain student")
        axis.set(title=title, xlabel="temperature T (log scale)", xscale="log")
        ticks = sorted(cells["temperature"].unique())
        axis.set_xticks(ticks, [f"{t:g}" for t in ticks], rotation=45, fontsize=8)
        axis.minorticks_off()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if len(without):
        handles.append(Line2D([], [], color="#555555", linestyle=":", linewidth=2.2))
        labels.append("teacher's term left out")
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
