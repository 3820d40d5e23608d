"""Every row of a table in the order of its score, and which choices stand at the top."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdlib.plots.style import METHODS, heading, level, levels, present

FACTORS = ("kd", "student_objective", "teacher_objective", "mixup")
FIRST, LAST = 12, 5  # rows that are named
_NAMED, _UNNAMED = 0.2, 0.045  # inches a row


def ranked_scores(scores: pd.DataFrame) -> Figure:
    """The rows by score, best on top, with intervals; beside them a column each choice, with a mark where a row made it
    and, below, the median rank of the rows that did.

    `scores` has columns label, score, low, high (NaN draws no interval) and the FACTORS, of which kd is the colour. The
    rows at both ends are named, those between drawn narrower. Rows without a score are left out.
    """
    rows = scores.dropna(subset="score").sort_values("score", ascending=False, kind="stable", ignore_index=True)
    named = (rows.index < FIRST) | (rows.index >= len(rows) - LAST)
    heights = np.where(named, _NAMED, _UNNAMED)
    places = heights.cumsum() - heights / 2
    choices = {factor: levels(rows[factor]) for factor in FACTORS}
    widths = [3.4, *(0.27 * max(3, len(values)) for values in choices.values())]
    size = (sum(widths) + 3.0, heights.sum() + 1.6)
    figure, (axis, *strips) = plt.subplots(1, len(widths), figsize=size, width_ratios=widths, sharey=True)
    colours = rows["kd"].map(present(rows["kd"], METHODS, "kd")).tolist()
    axis.hlines(places, rows["low"], rows["high"], colors=colours, linewidths=np.where(named, 1.6, 0.8))
    axis.scatter(rows["score"], places, s=np.where(named, 26, 8), c=colours, zorder=3)
    axis.set(xlabel="harmonic score, 95% interval", ylim=(heights.sum(), 0))
    axis.set_yticks(places[named], [f"{rows['label'][i]}  {i + 1}" for i in np.flatnonzero(named)], fontsize=9)
    axis.grid(axis="y", visible=False)
    if not named.all():
        middle, between = places[~named].mean(), f"ranks {FIRST + 1} to {len(rows) - LAST}"
        axis.text(-0.02, middle, between, transform=axis.get_yaxis_transform(), ha="right", va="center", fontsize=9)
    for strip, (factor, values) in zip(strips, choices.items(), strict=True):
        _marks(strip, rows[factor], values, places, heights)
    strips[0].set_xlabel("median rank", loc="left", fontsize=9)
    return figure


def _marks(axis: Axes, chosen: pd.Series, values: list, places: np.ndarray, heights: np.ndarray) -> None:
    for column, value in enumerate(values):
        here = (chosen == value).to_numpy()
        colour = METHODS.get(value, "#555555")
        axis.barh(places[here], 0.8, 0.85 * heights[here], column - 0.4, color=colour, linewidth=0)
    medians = [f"{np.median(np.flatnonzero(chosen == value)) + 1:.0f}" for value in values]
    axis.set_xticks(range(len(values)), medians, fontsize=8)
    top = axis.secondary_xaxis("top")
    top.set_xticks(range(len(values)), [level(value) for value in values], rotation=90, fontsize=9)
    top.tick_params(length=0)
    axis.set_title(heading(chosen.name).replace(" ", "\n"), loc="center", fontsize=10, y=1, pad=58)
    middle, half = (len(values) - 1) / 2, max(3, len(values)) / 2
    axis.set_xlim(middle - half, middle + half)
    axis.tick_params(length=0, labelleft=False)
    axis.grid(visible=False)
    axis.spines[["left", "bottom"]].set_visible(False)
