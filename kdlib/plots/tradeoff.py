"""Accuracy against calibration: two aims, a point a network."""

from collections.abc import Hashable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdlib.plots.style import METHODS, OBJECTIVES, heading, key, legend, present

_ENDS = ["ece low", "ece high", "accuracy % low", "accuracy % high"]


def accuracy_against_ece(
    rows: pd.DataFrame,
    hue: str = "kd",
    style: str | None = "student_objective",
    filled: str | None = "mixup",
    palette: Mapping[Hashable, str] = METHODS,
) -> Figure:
    """Test accuracy in percent against ECE: a panel each value of the column `panel`, a point a row.

    `rows` has columns panel, "accuracy %", ece, and those that `hue` (colour), `style` (marker) and `filled` (true or
    false) name; `palette` gives each value of `hue` its colour. With "accuracy % low", "accuracy % high",
    "ece low" and "ece high" too, one cross in each panel shows how long the two intervals are in the median, since a
    cross a point would hide the points. What is not measured is left out.
    """
    measured = rows.dropna(subset=["accuracy %", "ece"])
    colours = present(measured[hue], palette, hue)
    shapes = present(measured[style], OBJECTIVES, style) if style else {}
    measured = measured.assign(
        colour=measured[hue].map(colours),
        marker=measured[style].map(shapes) if style else "o",
        full=measured[filled].astype(bool) if filled else True,
    )
    has_intervals = set(_ENDS) <= set(rows)
    panels = rows["panel"].unique()
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4.2 * columns + 1.6, 3.8 * lines), squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=False):
        inside = measured[measured["panel"] == panel]
        _points(axis, inside)
        axis.set(title=panel, xlabel="ECE", ylabel="accuracy (%)")
        if has_intervals and len(inside):
            _typical_intervals(axis, inside)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    groups = {heading(hue): [key(value, colour) for value, colour in colours.items()]}
    if style:
        groups[heading(style)] = [key(value, "#555555", shape) for value, shape in shapes.items()]
    if filled:
        groups[heading(filled)] = [key("yes", "#555555"), key("no", "#555555", filled=False)]
    if has_intervals:
        groups["cross"] = [key("median 95% intervals", "#555555", "+")]
    legend(figure, groups)
    return figure


def _points(axis: Axes, rows: pd.DataFrame) -> None:
    for marker, alike in rows.groupby("marker", sort=False):
        edges = alike["colour"]
        faces = edges.where(alike["full"], "none")
        axis.scatter(alike["ece"], alike["accuracy %"], s=34, marker=marker, facecolors=faces, edgecolors=edges)
    axis.margins(0.06, 0.13)  # room for the note above all points
    axis.text(0.01, 0.985, "↖ better", transform=axis.transAxes, va="top", color="#555555", fontsize=10)
    axis.locator_params(nbins=6)
    if rows.empty:
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color="#555555")
        axis.set(xticks=[], yticks=[])


def _typical_intervals(axis: Axes, rows: pd.DataFrame) -> None:
    """A cross as wide and high as the median intervals, in the corner that is farthest from the points."""
    ece_low, ece_high, low, high = (rows[end] for end in _ENDS)
    width, height = (ece_high - ece_low).median(), (high - low).median()
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    wide, tall = right - left, top - bottom
    x = np.array([left + width / 2 + 0.05 * wide, right - width / 2 - 0.05 * wide])
    y = np.array([bottom + height / 2 + 0.05 * tall, top - height / 2 - 0.05 * tall])
    corners = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1])]  # the fourth has the note
    places = rows[["ece", "accuracy %"]].to_numpy()
    free = [np.min(np.abs((places - corner) / (wide, tall)).max(1)) for corner in corners]
    at = corners[int(np.argmax(free))]
    axis.errorbar(*at, height / 2, width / 2, color="#555555", linewidth=1.2, capsize=2)
    axis.set(xlim=(left, right), ylim=(bottom, top))
