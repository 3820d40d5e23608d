"""Differences: which side of zero, and their headings."""

import numpy as np
import pandas as pd

from kdlib import plots


def test_forest_colours_what_is_better_and_what_is_worse():
    rows = pd.DataFrame(
        [("a", 1, 0.5, 1.5), ("b", -1, -2, -0.5), ("c", 0.1, -0.5, 0.7)], columns=["label", "estimate", "low", "high"]
    )
    figure = plots.forest({"Accuracy": (rows, "points", 1), "ECE": (rows, "fraction", -1)})
    better, worse, same = plots.ROLES["best"], plots.ROLES["worst"], plots.ROLES["baseline"]
    for axis, expected in zip(figure.axes, ([better, worse, same], [worse, better, same]), strict=True):
        assert [line.get_color() for line in axis.lines if line.get_marker() == "o"] == expected
    assert "points" in figure.axes[0].get_xlabel() and "fraction" in figure.axes[1].get_xlabel()


def test_main_effects_under_their_factors_and_gaps_where_not_measured():
    rows = [
        ("KD method", "CRD", "accuracy", 2.0, 1.0, 3.0),
        ("KD method", "CRD", "ece", -0.02, -0.03, -0.01),
        ("KD method", "AT", "accuracy", -2.0, -3.0, -1.0),
        ("Mixup", "on", "accuracy", 0.1, -1.0, 1.2),
        ("Mixup", "on", "ece", 0.01, -0.01, 0.03),
    ]
    effects = pd.DataFrame(rows, columns=["factor", "label", "metric", "estimate", "low", "high"])
    accuracy, ece = plots.main_effects(effects).axes
    labels = accuracy.get_yticklabels()
    assert [label.get_text() for label in labels] == ["KD method", "CRD", "AT", "Mixup", "on"]
    assert [label.get_fontweight() for label in labels] == ["bold", "normal", "normal", "bold", "normal"]
    better, worse, same = plots.ROLES["best"], plots.ROLES["worst"], plots.ROLES["baseline"]
    dots = [[line for line in axis.lines if line.get_marker() == "o"] for axis in (accuracy, ece)]
    drawn = [[(*dot.get_xdata(), *dot.get_ydata(), dot.get_color()) for dot in row] for row in dots]
    measured = [[dot for dot in row if not np.isnan(dot[0])] for row in drawn]
    assert measured[0] == [(2.0, 3, better), (-2.0, 2, worse), (0.1, 0, same)]
    assert measured[1] == [(-0.02, 3, better), (0.01, 0, same)]
    assert "points" in accuracy.get_xlabel() and "fraction" in ece.get_xlabel()
