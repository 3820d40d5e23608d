"""Study A's own figures."""

import itertools

import numpy as np
import pandas as pd
import pytest
from figures import markers, texts, themed
from matplotlib.colors import to_hex, to_rgba

from kdlib import plots as general
from kdlib.studies.imbalance_kd_calibration import KD, OBJECTIVES, plots


@pytest.fixture(autouse=True)
def _themed():
    with themed():
        yield


@pytest.fixture
def students():
    """All 128 of one data set and imbalance factor, in words; no two of the same accuracy, ECE or score."""
    methods, objectives = ("vanilla KD", "CRD", "RKD", "AT"), ("CE", "ALS", "CP", "BS")
    rows = pd.DataFrame(
        itertools.product(methods, objectives, objectives, (False, True)),
        columns=["KD method", "teacher_objective", "student_objective", "mixup"],
    )
    places = np.random.default_rng(0).permutation(len(rows)) / 128
    rows = rows.assign(panel="one", score=places, low=places - 0.1, high=places + 0.1, ece=0.3 - places / 5)
    rows["label"] = [f"row {i}" for i in rows.index]
    return rows.assign(**{"accuracy %": 40 + 30 * places})


def test_methods_have_different_colours_apart_from_better_and_worse():
    colours = list(plots.METHOD_COLOURS.values())
    assert len(set(colours)) == len(colours)
    assert not set(colours) & {general.ROLES["best"], general.ROLES["worst"]}
    assert {*KD.values()} <= {*plots.METHOD_COLOURS} and {*OBJECTIVES.values()} == {*plots.OBJECTIVE_MARKERS}


def test_ranked_scores_from_best_to_worst_with_names_at_both_ends(students):
    axis, *strips = plots.ranked_scores(students).axes
    intervals, dots = axis.collections
    order = students.sort_values("score", ascending=False)
    x, y = dots.get_offsets().T
    assert x.tolist() == order["score"].tolist() and (np.diff(y) > 0).all() and axis.yaxis_inverted()
    assert [to_hex(c) for c in dots.get_facecolors()] == [plots.METHOD_COLOURS[kd].lower() for kd in order["KD method"]]
    assert [s[:, 0].tolist() for s in intervals.get_segments()] == order[["low", "high"]].to_numpy().tolist()
    named = [label.get_text() for label in axis.get_yticklabels()]
    assert named == [f"{order['label'].iloc[i]}  {i + 1}" for i in (*range(12), *range(123, 128))]
    assert texts(axis) == ["ranks 13 to 123"]
    titles = [strip.get_title(loc="center").split("\n")[0] for strip in strips]
    assert titles == ["KD", "student", "teacher", "mixup"]


def test_ranked_scores_mark_each_choice_at_its_rank(students):
    axis, *strips = plots.ranked_scores(students).axes
    order = students.sort_values("score", ascending=False).reset_index()
    places = axis.collections[1].get_offsets()[:, 1]
    objectives = strips[1]
    assert len(objectives.patches) == 128
    marked = {(round(p.get_x() + 0.4), round(p.get_y() + p.get_height() / 2, 6)) for p in objectives.patches}
    column = {"CE": 0, "ALS": 1, "CP": 2, "BS": 3}
    given = zip(order["student_objective"], places, strict=True)
    assert marked == {(column[name], round(place, 6)) for name, place in given}
    ranks = order.index[order["student_objective"] == "BS"] + 1
    assert float(objectives.get_xticklabels()[3].get_text()) == round(np.median(ranks))


def test_ranked_scores_of_few_rows_name_all_and_leave_out_what_has_none(students):
    few = students.iloc[:6].assign(score=[0.5, np.nan, 0.7, 0.1, 0.2, 0.3], low=np.nan, high=np.nan)
    axis = plots.ranked_scores(few).axes[0]
    names = ["row 2  1", "row 0  2", "row 5  3", "row 4  4", "row 3  5"]
    assert [label.get_text() for label in axis.get_yticklabels()] == names
    assert texts(axis) == []


def test_third_accuracies_a_panel_an_objective_a_dot_a_row(students):
    shifts = {"head %": 20, "middle %": 0, "tail %": -20}
    rows = students.assign(**{third: students["accuracy %"] + shift for third, shift in shifts.items()})
    rows.loc[0, "tail %"] = np.nan  # vanilla KD, CE
    figure = plots.third_accuracies(rows)
    assert [axis.get_title(loc="left").split()[-1] for axis in figure.axes] == ["CE", "ALS", "CP", "BS"]
    axis = figure.axes[0]
    dots = markers(axis)
    inside = rows[(rows["student_objective"] == "CE") & (rows["KD method"] == "vanilla KD")]
    head, _, tail = dots[:3]
    assert head.get_offsets()[:, 1].tolist() == inside["head %"].tolist() and len(tail.get_offsets()) == 7
    assert len(dots) == 12 and to_rgba(plots.METHOD_COLOURS["vanilla KD"])[:3] == tuple(head.get_facecolors()[0][:3])
    bars = [one.get_segments()[0] for one in axis.collections if not hasattr(one, "get_sizes")]
    assert bars[0][0][1] == inside["head %"].median()
    assert [label.get_text() for label in axis.get_xticklabels()] == ["head", "middle", "tail"]


def test_gradient_norms_first_open_last_filled_and_zeros_counted(students):
    rows = students.assign(**{"first epoch": students["score"] + 1, "last epoch": 10 * students["score"] + 1})
    rows.loc[rows.index[(rows["KD method"] == "CRD") & (rows["student_objective"] == "CE")][0], "first epoch"] = 0.0
    vanilla, crd, *_ = plots.gradient_norms(rows).axes
    dots = markers(vanilla)
    inside = rows[(rows["KD method"] == "vanilla KD") & (rows["student_objective"] == "CE")]
    assert dots[0].get_offsets()[:, 1].tolist() == inside["first epoch"].tolist() and not len(dots[0].get_facecolors())
    assert dots[1].get_offsets()[:, 1].tolist() == inside["last epoch"].tolist() and len(dots[1].get_facecolors())
    assert texts(vanilla) == [] and texts(crd) == ["1 at 0"]
    assert vanilla.get_yscale() == "log" and vanilla.get_title(loc="left") == "vanilla KD"
