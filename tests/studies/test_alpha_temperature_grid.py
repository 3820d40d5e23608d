"""Every rule through all four answers, on records made for the test; the arithmetic by hand."""

import numpy as np
import pytest

from kdlib import studies as claims
from kdlib.intervals.comparisons import TEST_IMAGES_ONLY, Interval
from kdlib.intervals.verdicts import above, all_of, below, within
from kdlib.studies import alpha_temperature_grid as grid

STUDY = "alpha_temperature_grid"
IMAGES = np.random.default_rng(0).normal(0, 0.004, 500)  # one test set: every record is resampled alike


def record(accuracy, data="cifar10", held_out=None):
    """A record as far as rules read it: accuracy, held-out accuracy, replicates."""
    own = np.random.default_rng(int(1e6 * accuracy)).normal(0, 0.001, 500)
    return {
        "key": "made for the test",
        "spec": {"data": data},
        "metrics": {"last": {"raw": {"accuracy": accuracy}, "held_out": {"accuracy": held_out or accuracy}}},
        "bootstrap": {"accuracy": (accuracy + IMAGES + own).tolist()},
        "reliability": {"counts": [100], "confidence": [0.6], "accuracy": [accuracy]},
    }


def repeats(*accuracies, **fields):
    return {number: record(accuracy, **fields) for number, accuracy in enumerate(accuracies)}


def study(cells, plain=(0.612, 0.613, 0.6125, 0.6128, 0.6122), **fields):
    """Rows of the whole grid; `cells` is a function of alpha and temperature."""
    rows = {("cell", a, t): repeats(cells(a, t), **fields) for a in grid.ALPHAS for t in grid.TEMPERATURES}
    return rows | {("plain",): repeats(*plain, **fields)}


def answer(claim, rows):
    table = claims.judge(STUDY, rows).set_index("id")
    assert len(table) == 4 and table["evidence"].str.len().min() > 10
    return table.loc[claim, "verdict"]


def flat(a, t):
    return 0.6125 + 1e-5 * t


@pytest.mark.parametrize(
    ("cells", "expected"),
    [(lambda a, t: 0.66 if (a, t) == (0.5, 10) else 0.60, "holds"), (lambda a, t: 0.55, "fails"), (flat, "undecided")],
)
def test_d1(cells, expected):
    assert answer("D1", study(cells)) == expected


def test_d1_chooses_on_held_out_images_and_compares_on_test_images():
    rows = study(lambda a, t: 0.60)
    rows["cell", 0.5, 10.0] = repeats(0.70)  # the best on the test set
    rows["cell", 0.9, 5.0] = repeats(0.55, held_out=0.9)  # the best on held-out images
    assert answer("D1", rows) == "fails"


@pytest.mark.parametrize("absent", [("cell", 0.9, 50.0), ("plain",)])
def test_d1_needs_every_row(absent):
    rows = study(flat)
    del rows[absent]
    table = claims.judge(STUDY, rows).set_index("id")
    assert table.loc["D1", "verdict"] == "not measured" and absent[0] in table.loc["D1", "evidence"]


def trend(sign):
    """Accuracy peaks at a temperature that falls (or rises) with alpha."""

    def cells(a, t):
        place = grid.ALPHAS.index(a)
        best = grid.TEMPERATURES[7 - place if sign < 0 else 1 + place]
        return 0.70 if t == best else 0.60

    return cells


@pytest.mark.parametrize(("cells", "expected"), [(trend(-1), "holds"), (trend(1), "fails"), (flat, "undecided")])
def test_d2(cells, expected):
    assert answer("D2", study(cells)) == expected


def test_d2_needs_every_cell():
    rows = study(trend(-1))
    del rows["cell", 0.1, 1.0]
    assert answer("D2", rows) == "not measured"


def test_d2_correlation_by_hand():
    accuracies = np.zeros((5, 9, 3))
    for row, best in enumerate([8, 6, 4, 2, 0]):
        accuracies[row, best, 0] = 1
    for row, best in enumerate([0, 2, 1, 3, 4]):
        accuracies[row, best, 1] = 1
    accuracies[:, 4, 2] = 1  # the same temperature everywhere: no trend
    assert grid._trend(accuracies.reshape(45, 3)) == pytest.approx([-1, 0.9, 0])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (lambda a, t: 0.6125, "holds"),
        (lambda a, t: 0.65 if (a, t) == (0.1, 50) else 0.6125, "fails"),
        (lambda a, t: 0.617, "undecided"),
    ],
)
def test_d3(cells, expected):
    assert answer("D3", study(cells)) == expected


def test_d3_needs_the_plain_student():
    rows = study(flat)
    del rows[("plain",)]
    assert answer("D3", rows) == "not measured"


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [((0.90, 0.88), "holds"), ((0.95, 0.88), "fails"), ((0.915, 0.88), "undecided"), (None, "not measured")],
)
def test_d4(accuracies, expected):
    rows = study(flat) | {("teacher",): repeats(0.915)}
    if accuracies:
        rows[("self-distilled", 0.5, 10.0)] = repeats(accuracies[0])
        rows[("self-distilled", 0.9, 5.0)] = repeats(accuracies[1])
    assert answer("D4", rows) == expected


def test_digits_never_decide():
    assert set(claims.judge(STUDY, study(trend(-1), data="digits"))["verdict"]) == {"not measured"}


def test_nothing_is_decided_without_training_noise():
    rows = study(lambda a, t: 0.55, plain=(0.61,))
    table = claims.judge(STUDY, rows).set_index("id")
    assert table.loc["D1", "verdict"] == "undecided" and TEST_IMAGES_ONLY in table.loc["D1", "evidence"]


def test_every_claim_of_a_study_without_rules_is_not_measured_by_name():
    for name, count in [("augmentation_ensemble", 7), ("compact_student", 3)]:
        table = claims.judge(name, {})
        assert len(table) == count and set(table["verdict"]) == {"not measured"} and table["claim"].str.len().min() > 20


def test_intervals_decide_only_where_all_of_them_lies_on_one_side():
    def made(low, high, kind="test images and training"):
        return Interval((low + high) / 2, low, high, kind)

    cases = [(made(0.1, 0.2), "holds"), (made(-0.2, -0.1), "fails"), (made(-0.1, 0.1), "undecided")]
    assert [above(0)(i) for i, _ in cases] == [e for _, e in cases]
    assert below(0)(made(0.1, 0.2)) == "fails" and below(0)(made(-0.2, -0.1)) == "holds"
    assert [within(0.5)(made(*ends)) for ends in ((-0.4, 0.4), (0.6, 0.9), (0.4, 0.6), (-0.9, -0.6))] == [
        "holds", "fails", "undecided", "fails"]  # fmt: skip
    assert above(0)(made(0.1, 0.2, TEST_IMAGES_ONLY)) == "undecided"
    assert all_of(["holds", "undecided", "fails"]) == "fails"
    assert all_of(["holds", "undecided"]) == "undecided" and all_of(["holds", "holds"]) == "holds"
