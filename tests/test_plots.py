"""Figures show what they are given: axes with units, every line and cell there."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("agg")
from kdlib import plots  # noqa: E402


@pytest.fixture
def cells():
    rows = [(a, t, 60 + 10 * a + t / 10, 0.1 * a) for a in (0.1, 0.5, 0.9) for t in (1, 5, 20)]
    return pd.DataFrame(rows, columns=["alpha", "temperature", "accuracy %", "ece"])


def texts(axis):
    return [t.get_text() for t in axis.texts]


def test_heatmaps_show_every_cell_and_frame_the_best(cells):
    figure = plots.heatmaps(cells, {"accuracy %": "Accuracy (%)", "ece": "ECE"}, {"accuracy %": "max", "ece": "min"})
    accuracy, ece = figure.axes[:2]
    assert texts(accuracy)[0] == "61.1" and len(texts(accuracy)) == 9 and "0.050" in texts(ece)
    assert accuracy.patches[-1].get_xy() == (2, 2)  # alpha .9, T 20
    assert ece.patches[-1].get_xy() == (0, 0)
    assert [label.get_text() for label in accuracy.get_xticklabels()] == ["1", "5", "20"]


def test_heatmaps_leave_what_is_not_measured_empty(cells):
    figure = plots.heatmaps(cells.iloc[:-1], {"accuracy %": "Accuracy (%)"}, {"accuracy %": "max"})
    assert len(texts(figure.axes[0])) == 8


def test_lines_one_an_alpha_and_the_plain_students_band(cells):
    plain = pd.DataFrame({"accuracy %": [60.0, 62.0], "ece": [0.02, 0.03]})
    figure = plots.temperature_lines(cells, plain, {"accuracy %": "Accuracy (%)", "ece": "ECE"})
    axis = figure.axes[0]
    lines = {line.get_label(): line for line in axis.lines}
    assert list(lines["α 0.5"].get_ydata()) == [65.1, 65.5, 67.0]
    assert set(lines["plain student"].get_ydata()) == {61.0}
    low, high = axis.patches[0].get_y(), axis.patches[0].get_y() + axis.patches[0].get_height()
    assert (low, high) == (60, 62)


def test_training_curves_skip_epochs_without_evaluation():
    history = [{"epoch": e, "train_accuracy": e / 4} for e in (1, 2, 3)]
    history[1] |= {"held_out_accuracy": 0.4, "held_out_nll": 1.5}
    accuracy, nll = plots.training_curves({"run": (history, "#000")}).axes
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[25, 50, 75], [40]]
    assert list(nll.lines[0].get_xdata()) == [2]


def test_reliability_diagram_shows_bins_and_counts():
    bins = {"counts": [0, 50, 150], "confidence": [None, 0.6, 0.9], "accuracy": [None, 0.5, 0.92]}
    figure = plots.reliability_diagrams({"net": (bins, "#0072B2")})
    above, below = figure.axes
    assert [p.get_height() for p in below.patches] == [0, 50, 150]
    assert [round(p.get_height(), 3) for p in above.patches[1:3]] == [0.5, 0.92]
    segments = above.collections[0].get_segments()
    assert segments[1][0][1] == pytest.approx(0.6 - 1.96 * np.sqrt(0.6 * 0.4 / 50))


def test_forest_colours_what_is_better_and_what_is_worse():
    rows = pd.DataFrame(
        [("a", 1, 0.5, 1.5), ("b", -1, -2, -0.5), ("c", 0.1, -0.5, 0.7)], columns=["label", "estimate", "low", "high"]
    )
    figure = plots.forest({"Accuracy": (rows, "points", 1), "ECE": (rows, "fraction", -1)})
    better, worse, same = plots.ROLES["best cell"], plots.ROLES["worst cell"], plots.ROLES["plain"]
    for axis, expected in zip(figure.axes, ([better, worse, same], [worse, better, same]), strict=True):
        assert [line.get_color() for line in axis.lines if line.get_marker() == "o"] == expected
    assert "points" in figure.axes[0].get_xlabel() and "fraction" in figure.axes[1].get_xlabel()


def test_table_formats_marks_gaps_and_groups():
    frame = pd.DataFrame({"row": ["x", "y"], "accuracy": [61.128, np.nan], "T": [2.5, 5.0]})
    html = plots.table(frame, note="What it is.", digits={"T": 1}, group="row").as_raw_html()
    assert "61.13" in html and ">2.5<" in html and ">–<" in html and "What it is." in html
