"""Accuracy against calibration: a point per network, where and in which colour."""

import itertools

import numpy as np
import pandas as pd
import pytest
from figures import legend_of, points, texts

from kdlib import plots
from kdlib.registry import KdlibError

PALETTE = {"a": "#111111", "b": "#222222", "c": "#333333", "d": "#444444"}
MARKERS = {"round": "o", "square": "s"}
STYLED = {"hue": "method", "palette": PALETTE, "style": "shape", "markers": MARKERS, "filled": "mixed"}


@pytest.fixture
def networks():
    """32 networks, no two of the same accuracy or ECE."""
    rows = pd.DataFrame(
        itertools.product(PALETTE, MARKERS, (False, True), (1, 2)), columns=["method", "shape", "mixed", "copy"]
    )
    places = np.random.default_rng(0).permutation(len(rows)) / 32
    return rows.assign(panel="one", score=places, ece=0.3 - places / 5, **{"accuracy %": 40 + 30 * places})


def test_accuracy_against_ece_draws_each_row_in_its_methods_colour(networks):
    figure = plots.accuracy_against_ece(networks, **STYLED)
    drawn = points(figure.axes[0])
    given = zip(networks["ece"], networks["accuracy %"], networks["method"], strict=True)
    assert drawn == {(ece, accuracy): PALETTE[method] for ece, accuracy, method in given}
    some = plots.accuracy_against_ece(networks[networks["method"] == "b"], **STYLED)
    assert set(points(some.axes[0]).values()) == {PALETTE["b"]}
    assert "b" in legend_of(some) and "a" not in legend_of(some)


def test_accuracy_against_ece_fills_the_markers_of_the_true(networks):
    markers = plots.accuracy_against_ece(networks, **STYLED).axes[0].collections
    assert len(markers) == 2
    for one in markers:
        filled = one.get_facecolors()[:, 3] > 0
        assert filled.sum() == 8 and len(filled) == 16
    assert len({one.get_paths()[0].vertices.tobytes() for one in markers}) == 2


def test_accuracy_against_ece_a_panel_each_even_where_nothing_is_measured(networks):
    some = networks.assign(ece=networks["ece"].where(networks.index > 27))
    one, two = plots.accuracy_against_ece(pd.concat([some, networks.assign(panel="two", ece=np.nan)]), **STYLED).axes
    assert len(points(one)) == 4 and not points(two)
    assert "not measured" in texts(two) and "not measured" not in texts(one)
    assert [axis.get_title(loc="left") for axis in (one, two)] == ["one", "two"]
    assert one.get_xlabel() == "ECE" and "%" in one.get_ylabel()


def test_accuracy_against_ece_with_other_colours_and_no_markers(networks):
    palette = {0.1: "#440154", 0.9: "#fde725"}
    grid = networks.assign(alpha=np.where(networks["score"] > 0.5, 0.9, 0.1))
    figure = plots.accuracy_against_ece(grid, hue="alpha", palette=palette)
    colours = points(figure.axes[0])
    given = zip(grid["ece"], grid["accuracy %"], grid["alpha"], strict=True)
    assert colours == {(ece, accuracy): palette[alpha] for ece, accuracy, alpha in given}
    assert [text for text in legend_of(figure) if text.strip()] == ["alpha", "0.1", "0.9"]


def test_accuracy_against_ece_shows_the_median_intervals_as_one_cross(networks):
    limits = {"accuracy %": (-1, 1), "ece": (-0.02, 0.03)}
    ends = {
        f"{m} {end}": networks[m] + by
        for m, two in limits.items()
        for end, by in zip(("low", "high"), two, strict=True)
    }
    figure = plots.accuracy_against_ece(networks.assign(**ends), **STYLED)
    (cross,) = figure.axes[0].containers
    bars = [np.ptp(bar.get_segments()[0], axis=0) for bar in cross.lines[2]]
    assert bars[0] == pytest.approx([0.05, 0]) and bars[1] == pytest.approx([0, 2])
    assert "median 95% intervals" in legend_of(figure)


def test_a_method_without_a_colour_is_named(networks):
    with pytest.raises(
        KdlibError, match="Column 'method' holds 'e', which has no colour or marker: use one of a, b, c, d"
    ):
        plots.accuracy_against_ece(networks.replace({"method": {"a": "e"}}), **STYLED)
