"""Study A's own figures. Their frames hold the words of people (`rows.named`)."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from kdlib import plots
from kdlib.plots import heat
from kdlib.plots.parts import dots, heading, key, legend, level, levels, present
from kdlib.plots.style import GREY, ROLES
from kdlib.studies.imbalance_kd_calibration.classes import THIRDS
from kdlib.studies.imbalance_kd_calibration.networks import WORST
from kdlib.studies.imbalance_kd_calibration.rows import KD, METHOD, named

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
GAINS = LinearSegmentedColormap.from_list("gains", [ROLES["worst"], "#FFFFFF", ROLES["best"]])
FAR = 10  # points of held-out accuracy below the best, where colours end: a run that failed would take up the scale
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


def gains_by_objectives(cells: pd.DataFrame) -> Figure:
    """What a teacher adds by its own label objective (downwards) and its student's (to the right): a heatmap per KD
    method and rival, all on one scale. A gain whose interval holds zero, or has no ends, is hatched.

    `cells` has columns kd, rival ("ablation" or "baseline"), teacher_objective, student_objective, and estimate, low
    and high in points of accuracy, a line per cell.
    """
    methods, rivals = present(cells["kd"], METHOD_COLOURS, "kd"), levels(cells["rival"])
    objectives = [levels(cells[f"{whose}_objective"], OBJECTIVE_MARKERS) for whose in ("teacher", "student")]
    largest, decided = cells["estimate"].abs().max(), (cells["low"] > 0) | (cells["high"] < 0)
    look = {"cmap": GAINS, "vmin": -largest, "vmax": largest, "cbar": False, "annot_kws": {"size": 9, "color": "#222"}}
    size = (1.95 * len(rivals) + 1.6, 0.31 * len(methods) * len(objectives[0]) + 1.8)
    figure, axes = plt.subplots(len(methods), len(rivals), figsize=size, sharex=True, sharey=True, squeeze=False)
    for line, method in zip(axes, methods, strict=True):
        for axis, rival in zip(line, rivals, strict=True):
            inside = cells[(cells["kd"] == method) & (cells["rival"] == rival)]
            estimates, hatched = (_by_both(inside, values, *objectives) for values in (cells["estimate"], ~decided))
            heat.heatmap(axis, estimates, hatched.eq(True), "+.1f", **look)
            axis.tick_params(length=0, labelsize=9, labelrotation=0)
            axis.set(xlabel="", ylabel="")
        _name(line[0], method)
    for top, bottom, rival in zip(axes[0], axes[-1], rivals, strict=True):
        top.set_title(f"Gain over the {rival}")
        bottom.set_xlabel("student's objective", fontsize=10)
    figure.supylabel("teacher's objective", fontsize=10)
    _colour_bar(axes, "points of accuracy  (better →)")
    if not decided.all():
        figure.legend(handles=[Patch(**heat.HATCHED, label="undecided")], loc="outside upper right", fontsize=9)
    return figure


def _by_both(cells: pd.DataFrame, values: pd.Series, teachers: list[str], students: list[str]) -> pd.DataFrame:
    """Values of the cells, by the objectives of their teachers (downwards) and students."""
    grid = cells.assign(values=values).pivot(index="teacher_objective", columns="student_objective", values="values")
    return grid.reindex(index=teachers, columns=students)


def _name(axis: Axes, name: str) -> None:
    """A heatmap's name at its left."""
    axis.set_ylabel(name, rotation=0, ha="right", va="center", fontweight="bold", fontsize=10)


def _colour_bar(axes: np.ndarray, label: str, **look: Any) -> None:
    """Under all heatmaps of one scale."""
    figure = axes.flat[0].figure
    bar = figure.colorbar(axes.flat[0].collections[0], ax=axes, location="bottom", aspect=40, **look)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=9)
    bar.set_label(label, fontsize=10)


def tuning(trials: pd.DataFrame, chosen: Mapping[str, tuple[float, float]]) -> Figure:
    """Held-out accuracy by step size (to the right) and by the weight of the teacher's term, in multiples of the
    customary one (upwards): a heatmap per method, one scale, the chosen pair framed. What was not tried stays blank.

    `trials` has columns method, weight, lr and held_out (percent), a line per trial; `chosen` maps a method to its
    weight and step size.
    """
    methods = present(trials["method"], METHOD_COLOURS, "method")
    steps, best = levels(trials["lr"]), trials["held_out"].max()
    grids = {method: _tried(trials[trials["method"] == method], steps) for method in methods}
    heights = [len(grid) for grid in grids.values()]
    size = (0.58 * len(steps) + 1.9, 0.27 * sum(heights) + 0.1 * len(heights) + 1.3)
    figure, axes = plt.subplots(len(grids), 1, figsize=size, height_ratios=heights, sharex=True, squeeze=False)
    for axis, (method, grid) in zip(axes[:, 0], grids.items(), strict=True):
        none = pd.DataFrame(False, grid.index, grid.columns)
        heat.heatmap(axis, grid, none, ".1f", cbar=False, cmap="mako_r", vmin=best - FAR, vmax=best)
        axis.set_xticklabels([f"{step:g}" for step in steps])
        axis.set_yticklabels([f"× {weight:.2g}" if method in KD.values() else "" for weight in grid.index])
        axis.tick_params(length=0, labelsize=9, labelrotation=0)
        axis.set_xlabel("")
        _name(axis, method)
        if method in chosen:
            heat.frame(axis, grid, *chosen[method])
    axes[-1, 0].set_xlabel("step size in the first epoch", fontsize=10)
    figure.align_ylabels()
    _colour_bar(axes, "held-out accuracy (%)", extend="min")
    return figure


def _tried(trials: pd.DataFrame, steps: list[float]) -> pd.DataFrame:
    """Held-out accuracy of one method, the largest weight on top."""
    grid = trials.pivot(index="weight", columns="lr", values="held_out")
    return grid.sort_index(ascending=False).reindex(columns=steps)
