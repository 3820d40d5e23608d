"""Study A's own figures. Their frames hold the words of people (`rows.named`)."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdlib import plots
from kdlib.plots.parts import dots, heading, key, legend, level, levels, present
from kdlib.plots.style import GREY, ROLES
from kdlib.studies.imbalance_kd_calibration.classes import THIRDS
from kdlib.studies.imbalance_kd_calibration.networks import WORST
from kdlib.studies.imbalance_kd_calibration.rows import METHOD, named

# Green and vermilion say better and worse in other figures, so that no method has them.
METHOD_COLOURS = {
    "baseline": ROLES["baseline"],
    "ablation": ROLES["ablation"],
    "teacher": ROLES["teacher"],
    "vanilla KD": "#000000",
    "CRD": "#E69F00",
    "RKD": "#56B4E9",
    "AT": "#CC79A7",
}
OBJECTIVE_MARKERS = {"CE": "o", "ALS": "s", "CP": "^", "BS": "D"}
NETWORK_COLOURS = {
    "best student": ROLES["best"],
    "its baseline": ROLES["baseline"],
    "its teacher": ROLES["teacher"],
    WORST: ROLES["worst"],
}
MOMENTS = ("first epoch", "last epoch")
CHOICES = (METHOD, "student_objective", "teacher_objective", "mixup")
FIRST, LAST = 12, 5  # rows that are named
_NAMED, _UNNAMED = 0.2, 0.045  # inches per row


def accuracy_against_ece(rows: pd.DataFrame) -> Figure:
    """Accuracy in percent against ECE: a panel per table, a point per row by method (colour), the network's own
    objective (marker) and mixup (filled)."""
    styled = {"style": "student_objective", "markers": OBJECTIVE_MARKERS, "filled": "mixup"}
    return plots.accuracy_against_ece(rows, hue=METHOD, palette=METHOD_COLOURS, **styled)


def reliability(records: Mapping[str, dict]) -> Figure:
    """Reliability diagrams of the networks that stand for a table, as `networks.of_tables` gives them."""
    bins = {title: (record["reliability"], NETWORK_COLOURS[title]) for title, record in records.items()}
    return plots.reliability_diagrams(bins)


def published_against_ours(pairs: pd.DataFrame) -> Figure:
    """The published accuracy and ECE of each row against ours."""
    panels = {"Accuracy (%)": ("published %", "our %"), "ECE": ("published ECE", "our ECE")}
    return plots.published_against_ours(named(pairs), panels, hue=METHOD, palette=METHOD_COLOURS)


def ranked_scores(scores: pd.DataFrame) -> Figure:
    """The rows by score, best on top, with intervals; beside them a column per choice, with a mark where a row made it
    and, below, the median rank of the rows that did.

    `scores` has columns label, score, low, high (NaN draws no interval) and the CHOICES, whose first is the colour. The
    rows at both ends are named, those between drawn narrower. Rows without a score are left out.
    """
    rows = scores.dropna(subset="score").sort_values("score", ascending=False, kind="stable", ignore_index=True)
    named = (rows.index < FIRST) | (rows.index >= len(rows) - LAST)
    heights = np.where(named, _NAMED, _UNNAMED)
    places = heights.cumsum() - heights / 2
    choices = {choice: levels(rows[choice], [*METHOD_COLOURS, *OBJECTIVE_MARKERS]) for choice in CHOICES}
    widths = [3.4, *(0.27 * max(3, len(values)) for values in choices.values())]
    size = (sum(widths) + 3.0, heights.sum() + 1.6)
    figure, (axis, *strips) = plt.subplots(1, len(widths), figsize=size, width_ratios=widths, sharey=True)
    _intervals(axis, rows, places, named)
    axis.set(xlabel="harmonic score, 95% interval", ylim=(heights.sum(), 0))
    for strip, (choice, values) in zip(strips, choices.items(), strict=True):
        _marks(strip, rows[choice], values, places, heights)
    strips[0].set_xlabel("median rank", loc="left", fontsize=9)
    return figure


def _intervals(axis: Axes, rows: pd.DataFrame, places: np.ndarray, named: np.ndarray) -> None:
    """The scores with their intervals, and the names of the rows at both ends."""
    colours = rows[METHOD].map(present(rows[METHOD], METHOD_COLOURS, METHOD)).tolist()
    axis.hlines(places, rows["low"], rows["high"], colors=colours, linewidths=np.where(named, 1.6, 0.8))
    axis.scatter(rows["score"], places, s=np.where(named, 26, 8), c=colours, zorder=3)
    axis.set_yticks(places[named], [f"{rows['label'][i]}  {i + 1}" for i in np.flatnonzero(named)], fontsize=9)
    axis.grid(axis="y", visible=False)
    if not named.all():
        middle, between = places[~named].mean(), f"ranks {FIRST + 1} to {len(rows) - LAST}"
        axis.text(-0.02, middle, between, transform=axis.get_yaxis_transform(), ha="right", va="center", fontsize=9)


def _marks(axis: Axes, chosen: pd.Series, values: list, places: np.ndarray, heights: np.ndarray) -> None:
    """A column per value of one choice, with a mark where a row has it; the median rank below."""
    for column, value in enumerate(values):
        here = (chosen == value).to_numpy()
        colour = METHOD_COLOURS.get(value, GREY)
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


def third_accuracies(rows: pd.DataFrame) -> Figure:
    """Accuracy over the classes of the head, the middle and the tail third: a panel per student objective, a colour per
    KD method, a dot per row, a bar their median.

    `rows` has columns student_objective, "KD method", and "head %", "middle %" and "tail %".
    """
    objectives = levels(rows["student_objective"], OBJECTIVE_MARKERS)
    colours = present(rows[METHOD], METHOD_COLOURS, METHOD)
    size = (2.6 * len(objectives) + 1.9, 3.9)
    figure, axes = plt.subplots(1, len(objectives), figsize=size, sharey=True, squeeze=False)
    for axis, objective in zip(axes[0], objectives, strict=True):
        _thirds(axis, rows[rows["student_objective"] == objective], colours)
        axis.set(title=f"student objective {objective}", xlim=(-0.6, 2.6))
    axes[0, 0].set_ylabel("accuracy over the classes (%)")
    legend(figure, {METHOD: [key(method, colour) for method, colour in colours.items()]})
    return figure


def _thirds(axis: Axes, rows: pd.DataFrame, colours: Mapping[str, str]) -> None:
    beside = min(0.2, 0.84 / len(colours)) * (np.arange(len(colours)) - (len(colours) - 1) / 2)
    for (method, colour), shift in zip(colours.items(), beside, strict=True):
        for place, third in enumerate(THIRDS):
            dots(axis, place + shift, rows.loc[rows[METHOD] == method, f"{third} %"], colour)
    axis.set_xticks(range(len(THIRDS)), THIRDS)
    axis.grid(axis="x", visible=False)


def gradient_norms(rows: pd.DataFrame) -> Figure:
    """The gradient's norm of the teacher's term divided by that of the label objective: a panel per term, for each
    label objective the first epoch (open) and the last (filled), a dot per row, a bar their median. At 1 both pull
    alike.

    `rows` has columns "KD method", student_objective, "first epoch" and "last epoch": the ratios, each term with its
    weight. On the log axis a ratio of 0 has no place: such rows are counted at the foot.
    """
    colours = present(rows[METHOD], METHOD_COLOURS, METHOD)
    objectives = levels(rows["student_objective"], OBJECTIVE_MARKERS)
    size = (2.5 * len(colours) + 1.9, 3.9)
    figure, axes = plt.subplots(1, len(colours), figsize=size, sharey=True, squeeze=False)
    for axis, (method, colour) in zip(axes[0], colours.items(), strict=True):
        inside = rows[rows[METHOD] == method]
        for place, objective in enumerate(objectives):
            _ratios(axis, place, inside[inside["student_objective"] == objective], colour)
        axis.axhline(1, color="#888888", linestyle=":", linewidth=1.2)
        axis.set(title=method, yscale="log", xlim=(-0.6, len(objectives) - 0.4), xlabel="label objective")
        axis.set_xticks(range(len(objectives)), objectives)
        axis.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("gradient norm: term / label objective (log)")
    legend(figure, {"epoch": [key("first", GREY, filled=False), key("last", GREY)]})
    return figure


def _ratios(axis: Axes, place: float, rows: pd.DataFrame, colour: str) -> None:
    for moment, shift, filled in zip(MOMENTS, (-0.18, 0.18), (False, True), strict=True):
        ratios = rows[moment]
        dots(axis, place + shift, ratios.where(ratios > 0), colour, filled)
        if zeros := int((ratios == 0).sum()):
            foot = axis.get_xaxis_transform()
            axis.text(place + shift, 0.01, f"{zeros} at 0", transform=foot, rotation=90, ha="center", fontsize=8)
