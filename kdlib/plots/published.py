"""Published figures beside ours."""

from collections.abc import Hashable, Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from kdlib.plots.style import METHODS, heading, key, legend, present


def published_against_ours(
    pairs: pd.DataFrame,
    panels: Mapping[str, tuple[str, str, bool]],
    hue: str = "kd",
    palette: Mapping[Hashable, str] = METHODS,
) -> Figure:
    """A panel a metric, a point a row: the published figure to the right, ours upwards.

    `panels` maps a title to the columns of the published and of our figures, whose names are the axes' labels, and
    whether the two may be compared as they are (same networks, data and epochs): then both axes are alike and a dotted
    line marks equal figures. Else the order of the points is all that can be compared. `hue` and `palette` colour them.
    """
    colours = present(pairs[hue], palette, hue)
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels) + 1.6, 4.1), squeeze=False)
    for axis, (title, (published, ours, comparable)) in zip(axes[0], panels.items(), strict=True):
        points = pairs.dropna(subset=[published, ours])
        axis.scatter(points[published], points[ours], s=24, color=points[hue].map(colours), alpha=0.85)
        axis.margins(0.06)
        axis.set(title=title, xlabel=published, ylabel=ours)
        if comparable and len(points):
            values = points[[published, ours]]
            axis.axline((values.min().min(),) * 2, slope=1, color="#888888", linestyle=":", linewidth=1.2)
            axis.set_aspect("equal", adjustable="datalim")
    legend(figure, {heading(hue): [key(value, colour) for value, colour in colours.items()]})
    return figure
