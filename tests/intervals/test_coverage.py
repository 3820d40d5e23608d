import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from scipy.special import softmax

from kdlib import metrics
from kdlib.intervals import coverage
from kdlib.intervals.coverage import Case, simulate
from kdlib.report.coverage import main, save, verdict, write_page


@pytest.mark.parametrize("method", ["ECE 0", "ECE .02", "ECE .02, one bin"])
def test_the_truth_is_what_a_large_sample_shows(method):
    exact = coverage._networks(method, False)[0]
    assert exact.truth["ece"] == pytest.approx(coverage.METHODS[method].ece, abs=1e-12)
    rng = np.random.default_rng(1)
    images = 500_000
    chosen = rng.integers(len(exact.logits), size=images)
    chances = softmax(coverage._scores(), axis=1)[chosen]
    labels = torch.from_numpy((chances.cumsum(1) < rng.random((images, 1))).sum(1).clip(max=9))
    logits = exact.logits[chosen]
    probs = logits.softmax(1)
    assert metrics.accuracy(probs, labels) == pytest.approx(exact.truth["accuracy"], abs=0.002)
    assert metrics.nll(logits, labels) == pytest.approx(exact.truth["nll"], abs=0.005)
    assert metrics.brier(probs, labels) == pytest.approx(exact.truth["brier"], abs=0.003)
    assert metrics.ece(probs, labels) == pytest.approx(exact.truth["ece"], abs=0.002)


def test_one_bin_holds_all_of_the_error():
    exact = coverage._networks("ECE .02, one bin", False)[0]
    confidence, top = exact.logits.softmax(1).max(1)
    right = softmax(coverage._scores(), axis=1)[np.arange(len(top)), top]
    gaps = np.bincount((confidence.numpy() * 15).astype(int).clip(max=14), confidence.numpy() - right, 15) / len(top)
    assert gaps[-1] == pytest.approx(0.02)
    assert abs(gaps[:-1]).max() < 1e-12


def test_trainings_vary_around_the_exact_network():
    _, *trained = coverage._networks("ECE .01", True)
    eces = np.array([network.truth["ece"] for network in trained])
    assert eces.mean() == pytest.approx(0.01, abs=1e-6)
    assert eces.std() == pytest.approx(0.003, rel=0.1)
    assert 0.002 < np.std([network.truth["accuracy"] for network in trained]) < 0.006


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


# The page ------------------------------------------------------------------------------------------------------------


def test_the_page_is_made_from_the_csv_alone(short, tmp_path):
    page = save(short.assign(replications=250, images=2000, seed=0), tmp_path)
    first = page.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coverage.csv", "coverage.html"]
    page.unlink()
    write_page(tmp_path / "coverage.csv")
    assert page.read_text() == first
    assert not BeautifulSoup(first, "html.parser").find_all(["script", "link", "iframe", "img"])


def test_the_page_says_which_intervals_are_good_and_keeps_rivals_apart(short, tmp_path):
    table = short.assign(replications=250, images=2000, seed=0)
    table.loc[0, "coverage %"], table.loc[1, "coverage %"] = 90.0, 99.0
    soup = BeautifulSoup(save(table, tmp_path).read_text(), "html.parser")
    names = {"accuracy": "accuracy", "nll": "NLL", "brier": "Brier", "ece": "ECE"}
    ours, *rivals = soup.find_all("table")
    rows = [[cell.text for cell in row.find_all("td")] for row in ours.select("tbody tr:not(.group)")]
    assert [row[:2] for row in rows] == [[c.name.split(": ")[1], names[c.metric]] for c in SHORT]
    assert [row[4] for row in rows] == [f"{value:.1f}" for value in table["coverage %"][: len(SHORT)]]
    assert [row[5] for row in rows[:2]] == ["too low", "too high"]
    marks = [row[5] for row in rows]
    text = soup.get_text(" ", strip=True)
    assert f"{marks.count('within')} of our {len(SHORT)} intervals hold the truth in 92 to 98 % of test sets." in text
    assert "Less often: 1, the least in 90.0 % (one run, accuracy of ECE .01)" in text
    assert "250 simulated test sets of 2,000 images" in text and "The population is 20,000 kinds of image" in text
    assert [cell.text for cell in rivals[0].select("thead th")] == [
        "one run",
        "metric",
        "ours, %",
        "percentile, %",
        "basic, %",
    ]
    tried = {row.td.text: [cell.text for cell in row.find_all("td")][1:] for row in rivals[0].select("tbody tr")}
    percent = short.set_index(["case", "metric", "estimator"])["coverage %"].map("{:.1f}".format)
    zero = [percent["one run: ECE 0", "ece", name] for name in ("kdlib", "percentile", "basic")]
    assert tried["ECE 0"][1::2] == zero and tried["ECE 0"][4::2] == ["too low", "too low"]
    assert list(tried) == ["ECE 0", "ECE .01"] and tried["ECE .01"][5:] == ["", ""]  # basic was not tried on it


def test_good_is_92_to_98_percent():
    assert [verdict(value) for value in (0, 91.9, 92, 95, 98, 98.1, 100)] == [
        "too low", "too low", "within", "within", "within", "too high", "too high"]  # fmt: skip


def test_the_command_writes_table_and_page(tmp_path, capsys):
    cases = [Case(("ECE 0",), (0,), "accuracy")]
    table = main(replications=3, seed=1, images=500, cases=cases, reports=tmp_path)
    assert table.drop(columns=["replications", "images", "seed"]).equals(simulate(3, 1, 500, cases))
    assert "one run: ECE 0" in capsys.readouterr().out
    assert "--replications 3" in (tmp_path / "coverage.html").read_text()
