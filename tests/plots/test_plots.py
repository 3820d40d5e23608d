"""Figures show what they are given: axes with units, every line and cell there."""

import itertools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgba

mpl.use("agg")
from kdlib import plots  # noqa: E402
from kdlib.data import long_tailed_counts  # noqa: E402
from kdlib.registry import KdlibError  # noqa: E402
from kdlib.studies.imbalance_kd_calibration import DATA  # noqa: E402


@pytest.fixture(autouse=True)
def themed():
    with mpl.rc_context():
        plots.theme()
        yield
    plt.close("all")


@pytest.fixture
def cells():
    rows = [(a, t, 60 + 10 * a + t / 10, 0.1 * a) for a in (0.1, 0.5, 0.9) for t in (1, 5, 20)]
    return pd.DataFrame(rows, columns=["alpha", "temperature", "accuracy %", "ece"])


@pytest.fixture
def students():
    """All 128 of one data set and imbalance factor; no two of the same accuracy, ECE or score."""
    methods, objectives = ("vanilla KD", "CRD", "RKD", "AT"), ("CE", "ALS", "CP", "BS")
    rows = pd.DataFrame(
        itertools.product(methods, objectives, objectives, (False, True)),
        columns=["kd", "teacher_objective", "student_objective", "mixup"],
    )
    places = np.random.default_rng(0).permutation(len(rows)) / 128
    rows = rows.assign(panel="one", score=places, low=places - 0.1, high=places + 0.1, ece=0.3 - places / 5)
    rows["label"] = [f"row {i}" for i in rows.index]
    return rows.assign(**{"accuracy %": 40 + 30 * places})


def texts(axis):
    return [t.get_text() for t in axis.texts]


def shown(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def points(axis):
    """x, y, colour of every point of an axis."""
    offsets = np.vstack([np.empty((0, 2)), *(dots.get_offsets() for dots in axis.collections if len(dots.get_paths()))])
    colours = [to_hex(c) for dots in axis.collections for c in dots.get_edgecolors()]
    return {(x, y): colour for (x, y), colour in zip(offsets.tolist(), colours, strict=True)}


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
    without = pd.DataFrame({"alpha": [0.5], "accuracy %": [58.0], "ece": [0.04]})
    figure = plots.temperature_lines(cells, plain, {"accuracy %": "Accuracy (%)", "ece": "ECE"}, without)
    axis = figure.axes[0]
    (dotted,) = [line for line in axis.lines if line.get_linestyle() == ":"]
    assert set(dotted.get_ydata()) == {58.0}
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
    both = plots.table(pd.DataFrame({"a": [1.0], "ours: b": [2.0], "ours: c": [3.0]}), note="").as_raw_html()
    assert both.count("ours</") == 1 and ">b<" in both and ">c<" in both
    assert "61.13" in html and ">2.5<" in html and ">–<" in html and "What it is." in html


def test_methods_have_different_colours_apart_from_better_and_worse():
    colours = list(plots.METHODS.values())
    assert len(set(colours)) == len(colours)
    assert not set(colours) & {plots.ROLES["best cell"], plots.ROLES["worst cell"]}
    assert {*plots.NAMES.values()} <= {*DATA.values(), *plots.METHODS, *plots.OBJECTIVES}


def test_accuracy_against_ece_draws_each_row_in_its_methods_colour(students):
    figure = plots.accuracy_against_ece(students)
    drawn = points(figure.axes[0])
    given = zip(students["ece"], students["accuracy %"], students["kd"], strict=True)
    assert drawn == {(ece, accuracy): plots.METHODS[kd].lower() for ece, accuracy, kd in given}
    some = plots.accuracy_against_ece(students[students["kd"] == "AT"])
    assert set(points(some.axes[0]).values()) == {plots.METHODS["AT"].lower()}
    assert "AT" in shown(some) and "CRD" not in shown(some)


def test_accuracy_against_ece_fills_the_markers_of_the_true(students):
    markers = plots.accuracy_against_ece(students).axes[0].collections
    assert len(markers) == 4
    for one in markers:
        filled = one.get_facecolors()[:, 3] > 0
        assert filled.sum() == 16 and len(filled) == 32
    assert len({one.get_paths()[0].vertices.tobytes() for one in markers}) == 4


def test_accuracy_against_ece_a_panel_each_even_where_nothing_is_measured(students):
    some = students.assign(ece=students["ece"].where(students.index > 99))
    one, two = plots.accuracy_against_ece(pd.concat([some, students.assign(panel="two", ece=np.nan)])).axes
    assert len(points(one)) == 28 and not points(two)
    assert "not measured" in texts(two) and "not measured" not in texts(one)
    assert [axis.get_title(loc="left") for axis in (one, two)] == ["one", "two"]
    assert one.get_xlabel() == "ECE" and "%" in one.get_ylabel()


def test_accuracy_against_ece_with_other_colours_and_no_markers(students):
    palette = {0.1: "#440154", 0.9: "#fde725"}
    grid = students.assign(alpha=np.where(students["score"] > 0.5, 0.9, 0.1))
    figure = plots.accuracy_against_ece(grid, hue="alpha", style=None, filled=None, palette=palette)
    colours = points(figure.axes[0])
    given = zip(grid["ece"], grid["accuracy %"], grid["alpha"], strict=True)
    assert colours == {(ece, accuracy): palette[alpha] for ece, accuracy, alpha in given}
    assert [text for text in shown(figure) if text.strip()] == ["alpha", "0.1", "0.9"]


def test_accuracy_against_ece_shows_the_median_intervals_as_one_cross(students):
    limits = {"accuracy %": (-1, 1), "ece": (-0.02, 0.03)}
    ends = {
        f"{m} {end}": students[m] + by
        for m, two in limits.items()
        for end, by in zip(("low", "high"), two, strict=True)
    }
    figure = plots.accuracy_against_ece(students.assign(**ends))
    (cross,) = figure.axes[0].containers
    bars = [np.ptp(bar.get_segments()[0], axis=0) for bar in cross.lines[2]]
    assert bars[0] == pytest.approx([0.05, 0]) and bars[1] == pytest.approx([0, 2])
    assert "median 95% intervals" in shown(figure)


def test_a_method_without_a_colour_is_named(students):
    with pytest.raises(KdlibError, match="'FitNet'"):
        plots.accuracy_against_ece(students.replace({"kd": {"AT": "FitNet"}}))


def test_ranked_scores_from_best_to_worst_with_names_at_both_ends(students):
    axis, *strips = plots.ranked_scores(students).axes
    intervals, dots = axis.collections
    order = students.sort_values("score", ascending=False)
    x, y = dots.get_offsets().T
    assert x.tolist() == order["score"].tolist() and (np.diff(y) > 0).all() and axis.yaxis_inverted()
    assert [to_hex(c) for c in dots.get_facecolors()] == [plots.METHODS[kd].lower() for kd in order["kd"]]
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
    better, worse, same = plots.ROLES["best cell"], plots.ROLES["worst cell"], plots.ROLES["plain"]
    dots = [[line for line in axis.lines if line.get_marker() == "o"] for axis in (accuracy, ece)]
    drawn = [[(*dot.get_xdata(), *dot.get_ydata(), dot.get_color()) for dot in row] for row in dots]
    measured = [[dot for dot in row if not np.isnan(dot[0])] for row in drawn]
    assert measured[0] == [(2.0, 3, better), (-2.0, 2, worse), (0.1, 0, same)]
    assert measured[1] == [(-0.02, 3, better), (0.01, 0, same)]
    assert "points" in accuracy.get_xlabel() and "fraction" in ece.get_xlabel()


@pytest.mark.parametrize("num_classes", [10, 100])
def test_class_histogram_shows_the_counts_and_their_curve(num_classes):
    counts = {factor: long_tailed_counts(4500, num_classes, factor) for factor in (100, 50)}
    figure = plots.class_histogram(counts, [f"class {c}" for c in range(num_classes)])
    (axis,) = figure.axes
    steps = [step.get_data().values.tolist() for step in axis.patches]
    assert steps == [counts[50], counts[100]]
    curve = axis.lines[1].get_ydata()
    assert curve[[0, -1]] == pytest.approx([4500, 45])
    assert axis.get_yscale() == "log" and texts(axis) == ["head", "middle", "tail"]
    assert shown(figure)[0] == f"imbalance factor 50: {sum(counts[50]):,} images"
    parted = [line.get_xdata()[0] for line in axis.lines if len(set(line.get_xdata())) == 1]
    assert parted == {10: [2.5, 6.5], 100: [32.5, 66.5]}[num_classes]  # 3, 4, 3; 33, 34, 33 classes
    assert ("class 3" in [label.get_text() for label in axis.get_xticklabels()]) == (num_classes == 10)


def test_third_accuracies_a_panel_an_objective_a_dot_a_row(students):
    shifts = {"head %": 20, "middle %": 0, "tail %": -20}
    rows = students.assign(**{third: students["accuracy %"] + shift for third, shift in shifts.items()})
    rows.loc[0, "tail %"] = np.nan  # vanilla KD, CE
    figure = plots.third_accuracies(rows)
    assert [axis.get_title(loc="left").split()[-1] for axis in figure.axes] == ["CE", "ALS", "CP", "BS"]
    axis = figure.axes[0]
    dots = [one for one in axis.collections if hasattr(one, "get_sizes")]
    inside = rows[(rows["student_objective"] == "CE") & (rows["kd"] == "vanilla KD")]
    head, _, tail = dots[:3]
    assert head.get_offsets()[:, 1].tolist() == inside["head %"].tolist() and len(tail.get_offsets()) == 7
    assert len(dots) == 12 and to_rgba(plots.METHODS["vanilla KD"])[:3] == tuple(head.get_facecolors()[0][:3])
    bars = [one.get_segments()[0] for one in axis.collections if not hasattr(one, "get_sizes")]
    assert bars[0][0][1] == inside["head %"].median()
    assert [label.get_text() for label in axis.get_xticklabels()] == ["head", "middle", "tail"]


def test_published_against_ours_shows_each_row_that_has_both(students):
    pairs = students.assign(**{"published ECE": students["ece"] / 2, "published (%)": 77.0})
    pairs.loc[3, "published ECE"] = np.nan
    panels = {"Accuracy: +0.10": ("published (%)", "accuracy %"), "ECE: +1.00": ("published ECE", "ece")}
    accuracy, ece = plots.published_against_ours(pairs, panels).axes
    given = pairs.drop(3)[["published ECE", "ece", "kd"]].itertuples(index=False)
    assert points(ece) == {(theirs, ours): plots.METHODS[kd].lower() for theirs, ours, kd in given}
    assert (accuracy.get_title(loc="left"), accuracy.get_xlabel()) == ("Accuracy: +0.10", "published (%)")


def test_gradient_norms_first_open_last_filled_and_zeros_counted(students):
    rows = students.assign(**{"first epoch": students["score"] + 1, "last epoch": 10 * students["score"] + 1})
    rows.loc[rows.index[(rows["kd"] == "CRD") & (rows["student_objective"] == "CE")][0], "first epoch"] = 0.0
    vanilla, crd, *_ = plots.gradient_norms(rows).axes
    dots = [one for one in vanilla.collections if hasattr(one, "get_sizes")]
    inside = rows[(rows["kd"] == "vanilla KD") & (rows["student_objective"] == "CE")]
    assert dots[0].get_offsets()[:, 1].tolist() == inside["first epoch"].tolist() and not len(dots[0].get_facecolors())
    assert dots[1].get_offsets()[:, 1].tolist() == inside["last epoch"].tolist() and len(dots[1].get_facecolors())
    assert texts(vanilla) == [] and texts(crd) == ["1 at 0"]
    assert vanilla.get_yscale() == "log" and vanilla.get_title(loc="left") == "vanilla KD"
