"""The page about our intervals: what is stored is shown, and what is shown is what was stored."""

import pandas as pd
import pytest

from kdlib.intervals import coverage, designs
from kdlib.intervals.rivals import ESTIMATORS
from kdlib.registry import KdlibError
from kdlib.store import Store, repository
from kdlib.studies import interval_coverage
from kdlib.studies.interval_coverage import findings, plots
from kdlib.studies.interval_coverage.stored import for_reading, verdict

FACTS = {"replications": 4, "images": 500, "seed": 1}


def simulated(*lines):
    """As coverage.simulate gives it: case, metric, estimator, coverage."""
    table = pd.DataFrame(lines, columns=["case", "metric", "estimator", "coverage %"])
    ends = {"from %": (table["coverage %"] - 1).clip(lower=0), "to %": table["coverage %"] + 0.5}
    return table.assign(**ends, **{"true value": -1e-6, "mean width": 0.01}, **FACTS)


@pytest.fixture
def measured():
    return for_reading(
        simulated(
            ("one run: ECE 0", "ece", "kdlib", 95.0),
            ("one run: ECE 0", "ece", "percentile", 0.0),
            ("one run: ECE .02 minus ECE .02, one bin", "ece", "kdlib", 99.5),
            ("3 repeats: ECE 0", "accuracy", "kdlib", 91.0),
        )
    )


@pytest.fixture
def few_cases(monkeypatch):
    cases = [coverage.Case(("ECE 0",), (0,), "ece", name) for name in ("kdlib", "basic")]
    monkeypatch.setattr(coverage, "all_cases", lambda: cases)


def test_what_was_simulated_is_stored_and_read_again(store, few_cases, monkeypatch):
    first = interval_coverage.measurement(**FACTS)
    assert first["estimator"].tolist() == ["kdlib", "basic"] and (first["images"] == 500).all()
    plain = coverage.simulate(**FACTS)
    assert first["coverage %"].tolist() == plain["coverage %"].tolist()
    monkeypatch.setattr(coverage, "simulate", lambda **facts: pytest.fail("simulated again"))
    pd.testing.assert_frame_equal(interval_coverage.measurement(**FACTS), first)


def test_a_store_that_cannot_be_written_is_said_before_anything_is_simulated(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDLIB_STORE", str(tmp_path / "file"))
    monkeypatch.setattr(coverage, "simulate", lambda **facts: pytest.fail("simulated in vain"))
    with pytest.raises(KdlibError, match="cannot be written"):
        interval_coverage.measurement(**FACTS)


@pytest.mark.parametrize("other", [{"replications": 3}, {"images": 400}, {"seed": 2}])
def test_a_simulation_of_other_parameters_is_another(store, few_cases, other):
    interval_coverage.measurement(**FACTS)
    found = interval_coverage.measurement(**FACTS | other)
    assert {name: found[name][0] for name in FACTS} == FACTS | other
    assert len(list(store.root.glob("*.csv"))) == 2


def test_another_version_of_what_is_measured_is_simulated_anew(store, few_cases, monkeypatch):
    interval_coverage.measurement(**FACTS)
    monkeypatch.setattr(coverage, "VERSION", coverage.VERSION + 1)
    interval_coverage.measurement(**FACTS)
    assert len(list(store.root.glob("*.csv"))) == 2


def test_the_committed_simulation_is_of_the_profile_and_of_todays_cases(store, monkeypatch):
    monkeypatch.setenv("KDLIB_RESULTS", str(repository() / "reports" / "results"))
    found = interval_coverage.measurement(replications=1000, images=10_000, seed=0)
    assert not list(Store().root.glob("*.csv"))
    names = [(case.name, case.estimator) for case in coverage.all_cases()]
    assert [(f"{row.runs}: {row.networks}", row.estimator) for row in found.itertuples()] == names
    assert findings.of_ours(found).startswith("50 of our 62 intervals hold the truth in 92 to 98 % of test sets. More")


def test_a_case_is_read_in_words(measured):
    assert measured["runs"].tolist() == ["one run"] * 3 + ["3 repeats"]
    assert measured["networks"].tolist() == ["ECE 0", "ECE 0", "ECE .02 minus ECE .02, one bin", "ECE 0"]
    assert measured["metric"].tolist() == ["ECE"] * 3 + ["accuracy"]
    assert f"{measured['true value'][0]:.4f}" == "0.0000"


def test_good_is_92_to_98_percent():
    assert [verdict(value) for value in (0, 91.9, 92, 95, 98, 98.1, 100)] == [
        "too low", "too low", "within", "within", "within", "too high", "too high"]  # fmt: skip


def test_findings_count_ours_and_name_the_worst(measured):
    assert findings.scale(measured) == "4 test sets of 500 images, seed 1"
    assert findings.of_ours(measured) == (
        "1 of our 3 intervals hold the truth in 92 to 98 % of test sets. "
        "Less often: 1, the least in 91.0 % (3 repeats, accuracy of ECE 0). "
        "More often, so wider than need be: 1, the most in 99.5 % (one run, ECE of ECE .02 minus ECE .02, one bin)."
    )
    assert findings.of_rivals(measured).startswith("0 of 1 intervals by other rules hold")
    assert findings.of_rivals(measured).endswith("“percentile” only in 0.0 % (one run, ECE of ECE 0).")


def test_tables_keep_ours_and_rivals_apart(measured):
    assert len(findings.ours(measured)) == 3
    beside = findings.beside(measured)
    assert beside.to_dict("records") == [
        {"runs": "one run", "networks": "ECE 0", "metric": "ECE", "ours": 95.0, "percentile": 0.0}
    ]


def test_dots_stand_at_their_coverage_and_at_the_left_end_below_the_axis(measured):
    axis, _ = plots.ours(measured).axes
    dots = {line.get_marker(): list(line.get_xdata()) for line in axis.lines if line.get_marker() in "ov^"}
    assert dots == {"o": [95.0], "v": [], "^": [99.5]}
    assert [label.get_text() for label in axis.get_yticklabels()][0] == "ECE of ECE 0"
    (axis,) = plots.rules(measured).axes
    assert [list(line.get_xdata()) for line in axis.lines if line.get_marker() == "v"] == [[80]]


@pytest.fixture
def of_designs():
    lines = [("lead", "5 seeds", 96.0), ("mean", "4 groups", 88.0), ("mean", "5 seeds", 99.0)]
    rows = pd.DataFrame(lines, columns=["figure", "design", "coverage %"])
    ends = {"from %": rows["coverage %"] - 1, "to %": rows["coverage %"] + 0.5}
    return rows.assign(**ends, verdict=rows["coverage %"].map(verdict))


def test_designs_stand_under_the_figure_that_their_intervals_are_of(of_designs):
    lead, mean = plots.designs(of_designs).axes
    titles = [axis.get_title() or axis.get_title(loc="left") for axis in (lead, mean)]  # where the theme has them
    assert titles == ["lead", "mean"]
    assert [label.get_text() for label in mean.get_yticklabels()] == ["4 groups", "5 seeds"]
    dots = {line.get_marker(): list(line.get_xdata()) for line in mean.lines if line.get_marker() in "ov^"}
    assert dots == {"o": [], "v": [88.0], "^": [99.0]}
    assert lead.patches[0].get_x() == 92 and lead.patches[0].get_width() == 6
    assert "simulated studies" in mean.get_xlabel()


def test_designs_that_hold_the_truth_too_seldom_are_named(of_designs):
    counted = "1 of {} designs' intervals hold the truth in 92 to 98 % of simulated studies, 1 more often."
    assert findings.of_designs(of_designs) == f"{counted.format(3)} Less often: 88.0 % (mean, 4 groups)."
    good = of_designs[of_designs["verdict"] != "too low"]
    assert findings.of_designs(good) == f"{counted.format(2)} Less often: none."


@pytest.fixture
def few_designs(monkeypatch):
    few = designs.all_designs()[:2]
    monkeypatch.setattr(designs, "all_designs", lambda: few)
    return few


def test_simulated_designs_are_stored_and_read_again(store, few_designs, monkeypatch):
    first = interval_coverage.of_designs(replications=2, seed=1)
    plain = designs.simulate(2, 1)
    assert first["design"].tolist() == [design.words for design in few_designs]
    assert first["mean width"].tolist() == pytest.approx(plain["mean width"].tolist(), rel=1e-5)
    assert first["verdict"].tolist() == plain["coverage %"].map(verdict).tolist()
    assert (first["replications"] == 2).all() and (first["seed"] == 1).all()
    monkeypatch.setattr(designs, "simulate", lambda **facts: pytest.fail("simulated again"))
    pd.testing.assert_frame_equal(interval_coverage.of_designs(2, 1), first)


@pytest.mark.parametrize("other", [{"replications": 1}, {"seed": 2}, {"version": 2}])
def test_simulated_designs_of_other_parameters_are_others(store, few_designs, monkeypatch, other):
    facts = {"replications": 2, "seed": 1}
    interval_coverage.of_designs(**facts)
    monkeypatch.setattr(designs, "VERSION", other.get("version", designs.VERSION))
    interval_coverage.of_designs(**facts | {name: value for name, value in other.items() if name in facts})
    assert len(list(store.root.glob("designs_*.csv"))) == 2


def test_every_rule_has_a_colour():
    assert set(plots.RULES) == set(ESTIMATORS)
