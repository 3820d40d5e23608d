"""Heatmaps: a colour per figure, hatching instead where a figure decides nothing, a frame around a chosen one."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from kdlib.plots.style import GREY
from kdlib.registry import KdlibError

# What legends show of both, as matplotlib's patches take it. Hatching is told from a pale colour on paper, too.
HATCHED = {"facecolor": "#F7F7F7", "edgecolor": "#DDDDDD", "hatch": "////", "linewidth": 0}
FRAMED = {"facecolor": "none", "edgecolor": "#E69F00", "linewidth": 3}


def heatmap(axis: Axes, grid: pd.DataFrame, hatched: pd.DataFrame, fmt: str, **look: Any) -> None:
    """The figures of a grid as colours, each written in its cell in the format `fmt`; where the grid `hatched` is true,
    as a grey figure on hatching. What is missing stays blank. `look` is passed on to seaborn's heatmap (its colours and
    their ends)."""
    written = grid.map(lambda figure: format(figure, fmt).replace("-", "−"))
    names = {"xticklabels": list(grid.columns), "yticklabels": list(grid.index)}
    style = {"annot_kws": {"size": 9}, "linewidths": 0.5} | names | look
    sns.heatmap(grid, ax=axis, mask=hatched, annot=written, fmt="", **style)
    axis.grid(visible=False)  # or it would show through blank cells
    for row, column in np.argwhere((hatched & grid.notna()).to_numpy()):
        axis.add_patch(Rectangle((column, row), 1, 1, **HATCHED))
        place = column + 0.5, row + 0.5
        axis.text(*place, written.iat[row, column], ha="center", va="center", color=GREY, fontsize=9)


def frame(axis: Axes, grid: pd.DataFrame, row: float, column: float) -> None:
    """A frame around the cell of a grid's heatmap that stands in this row and column, by their values; raises
    KdlibError where the grid has none."""
    if row not in grid.index or column not in grid.columns:
        cells = [", ".join(f"{value:g}" for value in values) for values in (grid.index, grid.columns)]
        raise KdlibError(
            f"The cell at {row:g} and {column:g} cannot be framed: choose one of the rows {cells[0]} and of the "
            f"columns {cells[1]}."
        )
    corner = grid.columns.get_loc(column), grid.index.get_loc(row)
    axis.add_patch(Rectangle(corner, 1, 1, clip_on=False, zorder=4, **FRAMED))
