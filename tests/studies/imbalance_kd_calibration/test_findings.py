"""Findings in words: each figure in them by hand."""

import numpy as np
import pandas as pd
import pytest
from long_tails import CLAIMED, TABLE, claimed_row_ahead, study

from kdlib.intervals import Interval
from kdlib.studies.imbalance_kd_calibration import effects, findings, networks, published, scores
from kdlib.studies.imbalance_kd_calibration.classes import by_third, means_by_third
from kdlib.studies.imbalance_kd_calibration.rows import named, with_panels


@pytest.fixture(scope="module")
def means(results):
    return with_panels(named(results.means))


def test_the_caption_of_a_long_tail():
    counts = {100.0: [4500, 600, 45], 50.0: [4500, 900, 90]}
    said = findings.long_tail("cifar10", counts, 4096)
    assert said.startswith("CIFAR-10 as it was trained on; IF 50: 5,490 images, 4,500 to 90 per class; IF 100: 5,145")
    assert said.endswith("CRD draws 2,572 and 2,745 negatives per image.")  # half of the images are fewer than 4,096
    assert "CRD" not in findings.long_tail("cifar10", counts, 0)


def test_how_accuracy_and_ece_go_together(means):
    said = findings.tradeoff(means)
    students = means[(means["role"] == "student") & (means["panel"] == "tiny, IF 4")]
    by_hand = students["accuracy %"].rank().corr(students["ece"].rank())
    assert f"tiny, IF 4 {by_hand:+.2f}" in said
    without_teachers = means[means["role"] != "teacher"]
    ends = [without_teachers[column].median() for column in ("ece", "scaled_ece")]
    assert f"from {ends[0]:.3f} to {ends[1]:.3f}." in said
    assert ("What one number mends" in said) == (ends[1] < ends[0])


def test_the_winner_and_its_rivals():
    table = scores.harmonic_table(study(claimed_row_ahead(0.03)), *TABLE)
    rivals = (table["high"][1:] >= table["low"][0]).sum()
    said = findings.ranking({"CIFAR-10, IF 100": table})
    assert said.startswith(f"CIFAR-10, IF 100: {CLAIMED.label} is first with 1.000; {rivals} of the 127 others have")
    many = table.assign(high=1.0)
    assert findings.ranking({"one": many}).endswith("reaches into its own: the winner is one of many.")
    assert findings.ranking({"one": table.head(9).assign(provisional=True)}).endswith("9 of 128 rows are measured.")


def test_clear_effects_are_those_whose_interval_leaves_0():
    lines = [
        ("student's objective, against CE", "BS (32 pairs)", "accuracy", 9.75, 8.0, 11.0),
        ("student's objective, against CE", "CP (32 pairs)", "accuracy", 0.1, -1.0, 1.0),
        ("teacher's objective, against CE", "BS (32 pairs, 2 groups)", "accuracy", 3.0, np.nan, np.nan),
        ("mixup, against none", "mixup (64 pairs, 4 groups)", "accuracy", -1.29, -2.0, -0.5),
        ("mixup, against none", "mixup (64 pairs, 4 groups)", "ece", -0.2, -0.3, -0.1),
    ]
    found = pd.DataFrame(lines, columns=["factor", "label", "metric", "estimate", "low", "high"]).assign(panel="one")
    said = findings.clear_effects(found)
    assert said == "one: clear effects on accuracy, in points: student's objective BS +9.75 and mixup -1.29."
    assert findings.clear_effects(found.iloc[1:3]) == "one: clear effects on accuracy, in points: none."


def test_in_how_many_cells_a_teacher_is_told_from_each_rival():
    lines = [
        *(("one", "CRD", "ablation", *ends) for ends in [(1.0, 3.0), (-3.0, -1.0), (0.5, 1.0)]),
        ("one", "AT", "ablation", np.nan, np.nan),
        ("one", "CRD", "baseline", -1.0, 1.0),
        ("two", "AT", "baseline", -2.0, -1.0),
    ]
    cells = pd.DataFrame(lines, columns=["panel", "kd", "rival", "low", "high"])
    counted = "pairs of objectives above and below, of those measured: against the"
    assert findings.teachers_help(cells) == (
        f"one: {counted} ablation CRD 2 and 1 of 3, AT 0 and 0 of 1; against the baseline CRD 0 and 0 of 1. "
        f"two: {counted} baseline AT 0 and 1 of 1."
    )


def test_the_tail_is_told_by_objective(results):
    means = means_by_third(by_third(results))
    students = means[(means["role"] == "student") & (means["panel"] == "tiny, IF 4")]
    best = students.loc[students["tail %"].idxmax()]
    assert f"tiny, IF 4: students recognise the tail best with {best['student_objective']}" in findings.tails(means)
    assert f"(tail {best['tail %']:.1f} %, head {best['head %']:.1f} %), worst with" in findings.tails(means)


def test_the_ece_of_single_networks_beside_their_floor(results):
    single = networks.of_tables(results)
    raw = single["tiny, IF 2"]["its teacher"]["metrics"]["last"]["raw"]
    assert f"its teacher {raw['ece']:.3f} ({raw['ece_floor']:.3f})" in findings.honesty(single)
    eces = networks.ece_by_bins_and_batches(single)
    times = (eces["batches of 128: ECE"] / eces["15 bins: ECE"]).median()
    assert f"multiplies the ECE of these networks by {times:.1f} (median)" in findings.averaging(eces)
    assert "lowest of the 256 published ECEs is 0.0819" in findings.averaging(eces)


def test_the_pull_of_each_term():
    ratios = pd.DataFrame({"KD method": ["CRD"] * 3, "first epoch": [1.0, 2.0, 9.0], "last epoch": [0.5, 0.25, 0.1]})
    assert findings.pull(ratios) == "In the first and the last epoch, in the median: CRD 2 and 0.25."


def test_ranks_here_and_in_the_source():
    column = np.arange(6.0)
    pairs = pd.DataFrame({"panel": "one", "published %": column, "our %": column, "published ECE": column})
    pairs = pairs.assign(**{"our ECE": -column, "kd": [*"aabbcc"], "mixup": [False, True] * 3})
    pairs = pairs.assign(teacher_objective=[*"xyxyxy"], student_objective="z")
    found = findings.correlations(pairs)
    assert found["one"]["accuracy"].estimate == 1 and found["one"]["ECE"].estimate == -1
    told = {"one": {"accuracy": Interval(0.04, -0.14, 0.21, "k"), "ECE": Interval(-0.1, -0.2, 0.1, "k")}}
    assert findings.ranks(told) == (
        "one: rank correlation of accuracy +0.04 (-0.14 to +0.21) and of ECE -0.10 (-0.20 to +0.10)."
    )
    assert findings.correlations(pairs.head(3)) == {} and findings.ranks({}).startswith("Too few rows")


def test_the_headline_names_the_winner_and_the_ranges(results, means):
    tables = scores.score_tables(results)
    said = findings.headline(tables, means)
    first = tables["tiny, IF 2"].iloc[0]
    assert said["tiny, IF 2: best harmonic score on the test set (provisional)"].startswith(first["row"].label)
    teachers = means[(means["role"] == "teacher") & (means["panel"] == "tiny, IF 2")]["accuracy %"]
    assert said["tiny, IF 2: teachers"] == f"{teachers.min():.1f} to {teachers.max():.1f} %"


def test_without_students_every_section_says_so(results):
    class Nobody:
        def of(self, role):
            return []

    means = with_panels(named(results.means)).query("role == 'teacher'")
    found = effects.by_objectives(Nobody())
    said = [findings.tradeoff(means), findings.ranking({}), findings.teachers_help(found), findings.honesty({})]
    assert set(said) == {findings.NO_STUDENT} and findings.headline({}, means) == {}
    assert findings.averaging(pd.DataFrame()) == findings.NO_STUDENT
    assert len(published.result_files()) == 256
