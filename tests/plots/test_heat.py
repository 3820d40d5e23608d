"""Heatmaps: what carries a colour, what is hatched, what stays blank, and what is framed."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from kdlib.plots import heat
from kdlib.plots.style import GREY
from kdlib.registry import KdlibError


@pytest.fixture
def grid():
    return pd.DataFrame([[1.25, -2.0], [np.nan, 3.0]], index=[0.9, 0.1], columns=[5.0, 20.0])


def drawn(grid, hatched):
    axis = plt.figure().subplots()
    heat.heatmap(axis, grid, pd.DataFrame(hatched, grid.index, grid.columns), "+.1f", cmap="mako", vmin=-2, vmax=3)
    return axis


def test_a_heatmap_colours_hatches_and_leaves_blank(grid):
    axis = drawn(grid, [[False, True], [True, False]])
    written = {text.get_position(): (text.get_text(), to_hex(text.get_color()) == GREY) for text in axis.texts}
    assert written == {(0.5, 0.5): ("+1.2", False), (1.5, 1.5): ("+3.0", False), (1.5, 0.5): ("−2.0", True)}
    assert [patch.get_xy() for patch in axis.patches] == [(1, 0)] and axis.patches[0].get_hatch()
    assert axis.collections[0].get_array().mask.tolist() == [[False, True], [True, False]]


@pytest.mark.filterwarnings("error")
def test_a_heatmap_may_be_hatched_all_over(grid):
    assert len(drawn(grid, True).patches) == 3


def test_a_frame_stands_around_the_cell_of_its_values(grid):
    axis = drawn(grid, False)
    heat.frame(axis, grid, 0.1, 20)
    (frame,) = axis.patches
    assert (frame.get_xy(), frame.get_width(), frame.get_height()) == ((1, 1), 1, 1)


def test_a_frame_needs_a_cell(grid):
    with pytest.raises(KdlibError, match="at 0.5 and 20 .* rows 0.9, 0.1 and of the columns 5, 20"):
        heat.frame(drawn(grid, False), grid, 0.5, 20)
