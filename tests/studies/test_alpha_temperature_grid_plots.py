"""The grid's own figures."""

import numpy as np
import pandas as pd
import pytest
from figures import points, texts, themed

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


def test_heatmaps_show_every_cell_and_frame_the_best(cells):
    accuracy, ece, scaled = plots.heatmaps(cells).axes[:3]
    assert texts(accuracy)[0] == "61.1" and len(texts(accuracy)) == 9
    assert "0.050" in texts(ece) and "0.025" in texts(scaled)
    assert accuracy.patches[-1].get_xy() == (2, 2)  # alpha .9, T 20
    assert ece.patches[-1].get_xy() == (0, 0)
    assert [label.get_text() for label in accuracy.get_xticklabels()] == ["1", "5", "20"]


def test_heatmaps_leave_what_is_not_measured_empty(cells):
    assert len(texts(plots.heatmaps(cells.iloc[:-1]).axes[0])) == 8


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
