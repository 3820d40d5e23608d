"""Differences with their intervals, and accuracy against calibration."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from kdlib.plots.style import ROLES


def forest(rows: pd.DataFrame, title: str, unit: str) -> Figure:
    """A line a row: its difference, the interval around it, and zero.

    `rows` has columns label, estimate, low, high; a row whose interval leaves zero on one side is coloured.
    """
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.24 * len(rows)))
    places = range(len(rows))[::-1]
    for place, row in zip(places, rows.itertuples(), strict=True):
        colour = ROLES["best cell"] if row.low > 0 else ROLES["worst cell"] if row.high < 0 else ROLES["plain"]
        axis.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6)
        axis.plot(row.estimate, place, "o", color=colour, markersize=4)
    axis.axvline(0, color="#222", linewidth=1)
    axis.set_yticks(list(places), rows["label"], fontsize=8)
    axis.set(title=title, xlabel=f"difference ({unit}), 95% interval", ylim=(-0.7, len(rows) - 0.3))
    axis.grid(axis="y", visible=False)
    return figure


def accuracy_against_ece(rows: pd.DataFrame, label: str, colours: dict[str, str]) -> Figure:
    """A point a row of `rows` (columns accuracy %, ece), coloured by the column `label`: up and left is better."""
    figure, axis = plt.subplots(figsize=(6.4, 4.4))
    for name, part in rows.groupby(label, sort=False):
        axis.scatter(
            part["ece"], part["accuracy %"], s=26, color=colours[name], label=str(name), alpha=0.85, linewidth=0
        )
    axis.set(title="Accuracy against calibration error", xlabel="test ECE (15 bins, raw)", ylabel="test accuracy (%)")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return figure
