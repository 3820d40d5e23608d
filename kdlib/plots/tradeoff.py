"""Accuracy against calibration: two aims, a point per network."""

from collections.abc import Hashable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kdlib.plots.parts import heading, key, legend, present
from kdlib.plots.style import GREY

_ENDS = ["ece low", "ece high", "accuracy % low", "accuracy % high"]


def accuracy_against_ece(
    rows: pd.DataFrame,
    hue: str,
    palette: Mapping[Hashable, str],
    style: str | None = None,
    markers: Mapping[Hashable, str] | None = None,
    filled: str | None = None,
) -> Figure:
    """Test accuracy in percent against ECE: a panel for each value of the column `panel`, a point per row.

    `rows` has columns panel, "accuracy %", ece, and those that `hue` (colour), `style` (marker) and `filled` (true or
    false) name; `palette` gives each value of `hue` its colour, `markers` each value of `style` its marker. With
    "accuracy % low", "accuracy % high", "ece low" and "ece high" too, one cross in each panel shows how long the two
    intervals are in the median, since a cross per point would hide the points. What is not measured is left out.
    """
    measured = rows.dropna(subset=["accuracy %", "ece"])
    colours = present(measured[hue], palette, hue)
    shapes = present(measured[style], markers or {}, style) if style else {}
    measured = measured.assign(
        colour=measured[hue].map(colours),
        marker=measured[style].map(shapes) if style else "o",
        full=measured[filled].astype(bool) if filled else True,
    )
    panels = list(rows["panel"].unique())
    figure, axes = _panels(panels)
    for panel, axis in zip(panels, axes, strict=True):
        _panel(axis, panel, measured[measured["panel"] == panel])
    groups = {
        hue: [key(value, colour) for value, colour in colours.items()],
        style: [key(value, GREY, shape) for value, shape in shapes.items()],
        filled: [key("yes", GREY), key("no", GREY, filled=False)],
        "cross": [key("median 95% intervals", GREY, "+")] if _has_intervals(rows) else [],
    }
    legend(figure, {heading(column): entries for column, entries in groups.items() if column and entries})
    return figure


def _panels(titles: list[str]) -> tuple[Figure, list[Axes]]:
    """An axis per title, two beside each other."""
    columns = min(2, len(titles))
    lines = -(-len(titles) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4.2 * columns + 1.6, 3.8 * lines), squeeze=False)
    for axis in axes.flat[len(titles) :]:
        axis.remove()
    return figure, list(axes.flat[: len(titles)])


def _panel(axis: Axes, title: str, rows: pd.DataFrame) -> None:
    _points(axis, rows)
    axis.set(title=title, xlabel="ECE", ylabel="accuracy (%)")
    if _has_intervals(rows) and len(rows):
        _typical_intervals(axis, rows)


def _has_intervals(rows: pd.DataFrame) -> bool:
    return set(_ENDS) <= set(rows)


def _points(axis: Axes, rows: pd.DataFrame) -> None:
    for marker, alike in rows.groupby("marker", sort=False):
        edges = alike["colour"]
        faces = edges.where(alike["full"], "none")
        axis.scatter(alike["ece"], alike["accuracy %"], s=34, marker=marker, facecolors=faces, edgecolors=edges)
    axis.margins(0.06, 0.13)  # room for the note above all points
    axis.text(0.01, 0.985, "↖ better", transform=axis.transAxes, va="top", color=GREY, fontsize=10)
    axis.locator_params(nbins=6)
    if rows.empty:
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color=GREY)
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
    axis.errorbar(*at, height / 2, width / 2, color=GREY, linewidth=1.2, capsize=2)
    axis.set(xlim=(left, right), ylim=(bottom, top))
