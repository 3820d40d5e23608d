"""Study A's own figures."""

import itertools

import numpy as np
import pandas as pd
import pytest
from figures import legend_of, markers, texts, themed
from matplotlib.colors import to_hex, to_rgba

from kdlib import plots as general
from kdlib.plots.style import GREY
from kdlib.registry import KdlibError
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


@pytest.fixture
def gains():
    """Two methods against both rivals, CE and BS by CE and BS: estimates 1 to 16 with changing signs, all decided."""
    choices = itertools.product(("RKD", "CRD"), ("baseline", "ablation"), ("BS", "CE"), ("BS", "CE"))
    rows = pd.DataFrame(choices, columns=["kd", "rival", "teacher_objective", "student_objective"])
    estimates = (rows.index + 1.0) * np.where(rows.index % 2, -1, 1)
    return rows.assign(estimate=estimates, low=estimates - 0.5, high=estimates + 0.5)


def colours_of(axis):
    """The colour of each cell of a heatmap, by its text."""
    mesh = axis.collections[0]
    mesh.update_scalarmappable()
    columns = len(axis.get_xticks())
    faces = mesh.get_facecolors()
    places = {text.get_text(): text.get_position() for text in axis.texts}
    return {text: tuple(faces[int(y) * columns + int(x)]) for text, (x, y) in places.items()}


def test_gains_stand_by_method_rival_and_both_objectives(gains):
    figure = plots.gains_by_objectives(gains)
    crd, _, rkd, of_baseline = figure.axes[:4]
    assert [axis.get_ylabel() for axis in (crd, rkd)] == ["CRD", "RKD"]
    titles = [axis.get_title(loc="left") for axis in figure.axes[:2]]
    assert titles == ["Gain over the ablation", "Gain over the baseline"]
    assert [label.get_text() for label in rkd.get_xticklabels()] == ["CE", "BS"]
    # Of RKD against its baseline, BS → BS was the first row and CE → CE the fourth; here CE comes first.
    assert texts(of_baseline) == ["−4.0", "+3.0", "−2.0", "+1.0"] and texts(crd)[0] == "−16.0"
    assert not figure.legends


def test_gains_are_green_where_better_and_vermilion_where_worse_on_one_scale(gains):
    axes = plots.gains_by_objectives(gains).axes[:4]
    colours = {text: colour for axis in axes for text, colour in colours_of(axis).items()}
    assert to_hex(colours["−16.0"]) == general.ROLES["worst"].lower()
    assert {axis.collections[0].get_clim() for axis in axes} == {(-16, 16)}
    green, vermilion = colours["+15.0"], colours["−14.0"]
    assert green[1] > green[0] and vermilion[0] > vermilion[1]
    assert sum(colours["+1.0"][:3]) > sum(green[:3])  # paler


def test_gains_that_are_not_decided_are_hatched_and_grey(gains):
    ends = gains["high"].where(gains.index != 0, np.nan), gains["low"].where(gains.index != 1, -3.0)
    rows = gains.assign(high=ends[0], low=ends[1])
    rows.loc[1, "high"] = 0.0  # touches zero
    rows.loc[0, "low"] = np.nan
    figure = plots.gains_by_objectives(rows.drop(index=2))  # and one is missing
    axis = figure.axes[3]
    assert [text.get_text() for text in axis.texts if text.get_color() == GREY] == ["−2.0", "+1.0"]
    assert [patch.get_xy() for patch in axis.patches if patch.get_hatch()] == [(0, 1), (1, 1)]
    assert len(axis.texts) == 3 and legend_of(figure) == ["undecided"]


def test_gains_of_a_method_without_a_name_are_refused(gains):
    with pytest.raises(KdlibError, match="Column 'kd' holds 'crd', which has no colour"):
        plots.gains_by_objectives(gains.replace({"kd": {"CRD": "crd"}}))


@pytest.fixture
def trials():
    rows = [
        ("CRD", 1.0, 0.1, 40.0),
        ("CRD", 0.025, 0.4, 48.5),
        ("CRD", 0.025, 0.1, 46.0),
        ("baseline", 1.0, 0.1, 47.0),
        ("baseline", 1.0, 0.8, 12.0),
    ]
    return pd.DataFrame(rows, columns=["method", "weight", "lr", "held_out"])


def test_tuning_shows_every_trial_at_its_step_size_and_weight(trials):
    baseline, crd, _ = plots.tuning(trials, {"CRD": (0.025, 0.4)}).axes
    assert [axis.get_ylabel() for axis in (baseline, crd)] == ["baseline", "CRD"]
    assert {text.get_text(): text.get_position() for text in baseline.texts} == {"47.0": (0.5, 0.5), "12.0": (2.5, 0.5)}
    places = {text.get_text(): text.get_position() for text in crd.texts}
    assert places == {"40.0": (0.5, 0.5), "46.0": (0.5, 1.5), "48.5": (1.5, 1.5)}
    assert [label.get_text() for label in crd.get_yticklabels()] == ["× 1", "× 0.025"]
    assert [label.get_text() for label in baseline.get_yticklabels()] == [""]  # it has no teacher's term
    assert [label.get_text() for label in crd.get_xticklabels()] == ["0.1", "0.4", "0.8"]
    assert [patch.get_xy() for patch in crd.patches] == [(1, 1)] and not baseline.patches


def test_tuning_ends_its_scale_ten_points_below_the_best(trials):
    baseline, crd, _ = plots.tuning(trials, {}).axes
    assert baseline.collections[0].get_clim() == crd.collections[0].get_clim() == (38.5, 48.5)
    colours = colours_of(baseline) | colours_of(crd)
    assert sum(colours["48.5"][:3]) < sum(colours["47.0"][:3]) < sum(colours["40.0"][:3])  # dark is good


def test_tuning_refuses_a_choice_that_was_not_tried(trials):
    with pytest.raises(KdlibError, match="at 0.5 and 0.4 .* rows 1, 0.025 and of the columns 0.1, 0.4, 0.8"):
        plots.tuning(trials, {"CRD": (0.5, 0.4)})
