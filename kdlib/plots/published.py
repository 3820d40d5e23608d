"""Published figures beside ours."""

from collections.abc import Hashable, Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from kdlib.plots.parts import heading, key, legend, present


def published_against_ours(
    pairs: pd.DataFrame, panels: Mapping[str, tuple[str, str]], hue: str, palette: Mapping[Hashable, str]
) -> Figure:
    """A panel per metric, a point per row in the colour of its `hue`: the published figure to the right, ours upwards.

    `panels` maps a title to the columns of the published and of our figures, whose names are the axes' labels;
    `palette` gives each value of `hue` its colour. No line marks equal figures: networks, data and epochs differ, so
    the order of the points is all that can be compared.
    """
    colours = present(pairs[hue], palette, hue)
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels) + 1.6, 4.1), squeeze=False)
    for axis, (title, (published, ours)) in zip(axes[0], panels.items(), strict=True):
        points = pairs.dropna(subset=[published, ours])
        axis.scatter(points[published], points[ours], s=24, color=points[hue].map(colours), alpha=0.85)
        axis.margins(0.06)
        axis.set(title=title, xlabel=published, ylabel=ours)
    legend(figure, {heading(hue): [key(value, colour) for value, colour in colours.items()]})
    return figure
