"""Reliability diagrams."""

import numpy as np
import pytest

from kdlib import plots


def test_reliability_diagram_shows_bins_and_counts():
    bins = {"counts": [0, 50, 150], "confidence": [None, 0.6, 0.9], "accuracy": [None, 0.5, 0.92]}
    figure = plots.reliability_diagrams({"net": (bins, "#0072B2")})
    above, below = figure.axes
    assert [p.get_height() for p in below.patches] == [0, 50, 150]
    assert [round(p.get_height(), 3) for p in above.patches[1:3]] == [0.5, 0.92]
    segments = above.collections[0].get_segments()
    assert segments[1][0][1] == pytest.approx(0.6 - 1.96 * np.sqrt(0.6 * 0.4 / 50))
