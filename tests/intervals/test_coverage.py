import pytest

from kdlib.intervals import coverage
from kdlib.intervals.coverage import Case, simulate
from kdlib.registry import KdlibError

SHORT = [
    Case(("ECE .01",), (0,), "accuracy"),
    Case(("ECE .01",), (0,), "nll"),
    Case(("ECE .01",), (0,), "brier"),
    Case(("ECE .01", "ECE .02"), (0, 0), "accuracy"),
    Case(("ECE .01", "ECE .02"), (0, 0), "brier"),
    Case(("ECE 0",), (0,), "ece"),
    Case(("ECE .01",), (0,), "ece"),
    Case(("ECE .02",), (0,), "ece"),
    Case(("ECE .01",), (3,), "accuracy"),
    Case(("ECE .01",), (3,), "brier"),
    Case(("ECE .01",), (3,), "ece"),
    Case(("ECE .01", "ECE .02"), (1, 1), "accuracy"),
]
WRONG = [
    Case(("ECE 0",), (0,), "ece", "percentile"),
    Case(("ECE .01",), (0,), "ece", "percentile"),
    Case(("ECE 0",), (0,), "ece", "basic"),
]


@pytest.fixture(scope="module")
def short():
    """250 replications of 2,000 images: a coverage of 95% is found between 91.4% and 98.6% in all but 1% of cases."""
    return simulate(replications=250, images=2000, cases=SHORT + WRONG)


def holds(coverage: float) -> bool:
    return coverage >= 91


@pytest.mark.parametrize("index", range(len(SHORT)), ids=lambda index: f"{SHORT[index].name}, {SHORT[index].metric}")
def test_intervals_hold_the_truth_as_often_as_they_say(short, index):
    assert holds(short["coverage %"][index])


@pytest.mark.parametrize("index", range(len(SHORT), len(SHORT + WRONG)))
def test_the_same_bound_catches_a_wrong_interval(short, index):
    assert not holds(short["coverage %"][index])


def test_intervals_are_not_wider_than_they_need_to_be(short):
    proper = short[(short["estimator"] == "kdlib") & (short["metric"] != "ece")]
    assert len(proper) == 8
    assert (proper["coverage %"] <= 99).all()


def test_a_result_says_how_sure_it_is(short):
    first = short.iloc[0]
    assert first["from %"] < first["coverage %"] < first["to %"]
    assert first["coverage %"] + first["above %"] + first["below %"] == pytest.approx(100)


def test_replications_follow_their_seed():
    case = [Case(("ECE 0",), (0,), "accuracy")]
    once, again, other = (simulate(3, seed, 500, case) for seed in (1, 1, 2))
    assert once.equals(again)
    assert not once.equals(other)


def test_the_full_table_has_every_case_of_the_specification():
    ours = {case for case in coverage.all_cases() if case.estimator == "kdlib"}
    for repeats in (0, 1, 3, 5):
        for metric in ("accuracy", "nll", "brier"):
            assert Case(("ECE .02",), (repeats,), metric) in ours
        for method in ("ECE 0", "ECE .01", "ECE .02", "ECE .07"):
            assert Case((method,), (repeats,), "ece") in ours
        for metric in ("accuracy", "nll", "brier", "ece"):
            assert any(len(case.methods) == 2 and case.repeats[0] == repeats and case.metric == metric for case in ours)
    assert len(set(coverage.all_cases())) == len(coverage.all_cases())


def test_an_unchanged_version_gives_unchanged_figures():
    """Stored simulations are found by their version: what changes a figure raises it."""
    cases = [Case(("ECE .01",), (0,), "ece"), Case(("ECE .01", "ECE .02"), (3, 3), "nll")]
    found = simulate(20, 0, 500, cases + [Case(("ECE .02",), (0,), "ece", "floor rule")])
    assert coverage.VERSION == 1
    assert found["mean width"].tolist() == pytest.approx([0.058338948, 0.14937813, 0.070353052], rel=1e-6)
    assert found["true value"].tolist() == pytest.approx([0.01, -0.001343, 0.02], abs=2e-6)
    assert found["coverage %"].tolist() == [100, 100, 85]


@pytest.mark.parametrize("wrong", [{"replications": 0}, {"images": 0}, {"seed": -1}])
def test_what_makes_no_test_set_is_said(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(KdlibError, match=f"{name} is {value}: give"):
        simulate(**{"replications": 1, "images": 500} | wrong)


def test_networks_of_a_method_that_no_case_repeats_are_not_trained():
    assert coverage._needed(SHORT) == {"ECE .01": 3, "ECE .02": 1, "ECE 0": 0, "ECE .01 too": 5}
