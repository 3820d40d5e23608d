"""The grid's own figures."""

import numpy as np
import pandas as pd
import pytest
from figures import legend_of, points, texts, themed

from kdlib.plots.style import GREY
from kdlib.registry import KdlibError
from kdlib.studies.alpha_temperature_grid import plots


@pytest.fixture(autouse=True)
def _themed():
    with themed():
        yield


@pytest.fixture
def cells():
    rows = [(a, t, 60 + 10 * a + t / 10, 0.1 * a) for a in (0.1, 0.5, 0.9) for t in (1, 5, 20)]
    frame = pd.DataFrame(rows, columns=["alpha", "temperature", "accuracy %", "ece"])
    return frame.assign(role="cell", scaled_ece=frame["ece"] / 2)


def framed(axis):
    """The corners of the cells with a frame, and of those that are hatched."""
    corners = [[patch.get_xy() for patch in axis.patches if bool(patch.get_hatch()) == hatched] for hatched in (0, 1)]
    return corners[0], set(corners[1])


def test_heatmaps_show_every_cell(cells):
    figure = plots.heatmaps(cells)
    accuracy, ece, scaled = figure.axes[:3]
    assert texts(accuracy)[0] == "61.1" and len(texts(accuracy)) == 9
    assert "0.050" in texts(ece) and "0.025" in texts(scaled)
    assert [label.get_text() for label in accuracy.get_xticklabels()] == ["1", "5", "20"]
    assert [framed(axis) for axis in (accuracy, ece, scaled)] == [([], set())] * 3 and not figure.legends


def test_heatmaps_frame_the_chosen_cell_and_no_best_one(cells):
    figure = plots.heatmaps(cells, chosen=(0.5, 1))  # the best are α .9, T 20 in accuracy, α .1 in ECE
    assert [framed(axis)[0] for axis in figure.axes[:3]] == [[(0, 1)]] * 3
    assert legend_of(figure) == ["chosen on held-out images"]


def test_heatmaps_hatch_the_eces_that_a_calibrated_network_could_have(cells):
    floors = {"ece_floor_95": np.where(cells["temperature"] == 5, 0.05, 0.01), "scaled_ece_floor_95": 0.001}
    figure = plots.heatmaps(cells.assign(**floors), chosen=(0.1, 5))
    accuracy, ece, scaled = figure.axes[:3]
    assert [framed(axis)[1] for axis in (accuracy, ece, scaled)] == [
        set(),
        {(1, 1), (1, 0)},
        set(),
    ]  # .01 and .05 of T 5
    grey = [text.get_text() for text in ece.texts if text.get_color() == GREY]
    assert grey == ["0.010", "0.050"] and len(texts(ece)) == 9
    assert len(legend_of(figure)) == 2 and "noise floor" in legend_of(figure)[1]


def test_heatmaps_say_that_the_chosen_cell_is_none_of_the_grid(cells):
    with pytest.raises(KdlibError, match="at 0.3 and 5 .* rows 0.1, 0.5, 0.9 and of the columns 1, 5, 20"):
        plots.heatmaps(cells, chosen=(0.3, 5))


def test_heatmaps_leave_what_is_not_measured_empty(cells):
    few = cells.iloc[:-1].assign(ece_floor_95=1.0)
    accuracy, ece = plots.heatmaps(few).axes[:2]
    assert len(texts(accuracy)) == len(texts(ece)) == len(framed(ece)[1]) == 8


def test_a_line_per_alpha_its_ablation_and_the_baselines_band(cells):
    ends = {f"{m} {end}": cells[m] + by for m in ("accuracy %", "ece") for end, by in (("low", -0.1), ("high", 0.1))}
    baseline = pd.DataFrame({"accuracy %": [60.0, 62.0], "ece": [0.02, 0.03]})
    without = pd.DataFrame({"alpha": [0.5], "accuracy %": [58.0], "ece": [0.04]})
    axis = plots.temperature_lines(cells.assign(**ends), baseline, without).axes[0]
    (dotted,) = [line for line in axis.lines if line.get_linestyle() == ":"]
    assert set(dotted.get_ydata()) == {58.0}
    lines = {line.get_label(): line for line in axis.lines}
    assert list(lines["α 0.5"].get_ydata()) == [65.1, 65.5, 67.0]
    assert set(lines["baseline"].get_ydata()) == {61.0}
    (bars,) = [one for one in axis.collections if np.allclose(one.get_segments()[0][:, 1], [65.0, 65.2])]
    assert len(bars.get_segments()) == 3
    low, high = axis.patches[0].get_y(), axis.patches[0].get_y() + axis.patches[0].get_height()
    assert (low, high) == (60, 62)


def test_runs_in_the_colour_of_their_alpha(cells):
    baseline = cells.head(2).assign(role="baseline", ece=0.3)
    drawn = points(plots.accuracy_against_ece(pd.concat([cells, baseline])).axes[0])
    assert len(drawn) == 11 and len(set(drawn.values())) == 4
    assert {colour for (ece, _), colour in drawn.items() if ece == 0.3} == {plots.ROLES["baseline"]}
