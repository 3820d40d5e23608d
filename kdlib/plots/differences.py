"""Differences with their intervals."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdlib.plots.style import ROLES


def forest(panels: Mapping[str, tuple[pd.DataFrame, str, int]]) -> Figure:
    """A panel per metric, a line per row: its difference, the interval around it, and zero.

    `panels` maps a title to (rows, unit, sign): rows with columns label, estimate, low, high, the same labels in each;
    sign +1 where more is better, -1 where less is. A row whose interval leaves zero is green if better, red if worse.
    """
    labels = next(iter(panels.values()))[0]["label"]
    size = (4.4 * len(panels) + 1, 0.9 + 0.2 * len(labels))
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    places = np.arange(len(labels))[::-1]
    for axis, (title, (rows, unit, sign)) in zip(axes[0], panels.items(), strict=True):
        _differences(axis, rows, places, _colours(rows, sign))
        axis.set_yticks(places, labels, fontsize=8)
        axis.set(title=title, xlabel=f"difference ({unit}), 95% interval", ylim=(-0.7, len(rows) - 0.3))
    return figure


def _colours(rows: pd.DataFrame, sign: int) -> np.ndarray:
    """Green where the whole interval is better than zero, red where it is worse, grey where it holds zero."""
    ends = sign * rows[["low", "high"]].to_numpy(float)
    better, worse = (ends > 0).all(axis=1), (ends < 0).all(axis=1)
    return np.select([better, worse], [ROLES["best"], ROLES["worst"]], ROLES["baseline"])


def _differences(axis: Axes, rows: pd.DataFrame, places: np.ndarray, colours: np.ndarray) -> None:
    for place, colour, row in zip(places, colours, rows.itertuples(), strict=True):
        axis.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6)
        axis.plot(row.estimate, place, "o", color=colour, markersize=4)
    axis.axvline(0, color="#222", linewidth=1)
    axis.grid(axis="y", visible=False)


def main_effects(effects: pd.DataFrame) -> Figure:
    """What each choice changes in accuracy and in ECE, in the mean over the pairs of rows that differ in it alone: a
    `forest` with a heading per factor.

    `effects` has columns factor (the heading), label, metric ("accuracy", in points, or "ece"), estimate, low, high. A
    label stays empty under a metric for which it is not measured.
    """
    lines = []  # (factor, label); a heading has no label
    for factor, labels in effects.groupby("factor", sort=False)["label"]:
        lines += [(factor, None), *((factor, label) for label in labels.unique())]
    order = pd.DataFrame(lines, columns=["factor", "label"])
    is_heading, names = order["label"].isna(), order["label"].fillna(order["factor"])
    panels = {}
    for metric, title, unit, sign in (
        ("accuracy", "Accuracy  (better →)", "points", 1),
        ("ece", "ECE  (← better)", "fraction", -1),
    ):
        rows = order.merge(effects[effects["metric"] == metric], on=["factor", "label"], how="left")
        panels[title] = rows.assign(label=names), unit, sign
    figure = forest(panels)
    for axis in figure.axes:
        axis.tick_params(axis="y", length=0)
    for tick, bold in zip(figure.axes[0].get_yticklabels(), is_heading, strict=True):
        tick.set(fontsize=9, fontweight="bold" if bold else "normal")
    return figure
