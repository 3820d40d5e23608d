"""Harmonic scores of a table: whose noise is in them, and when they are provisional."""

from dataclasses import replace

import pandas as pd
import pytest
from long_tails import CLAIMED, TABLE, baseline, claimed_row_ahead, record, study

from kdlib.intervals.comparisons import TEST_IMAGES_ONLY
from kdlib.studies.imbalance_kd_calibration import Row, scores
from kdlib.studies.imbalance_kd_calibration import study as study_a


def test_training_noise_on_one_data_set_is_not_that_on_another():
    rows = study(claimed_row_ahead(0.03))
    loud = {repeat: record(0.3 + 0.2 * repeat, 0.1, 0.5, repeat) for repeat in range(3)}
    others = {baseline(table=(data, 10.0)): loud for data in ("digits", "cifar100")}
    alone, beside = (scores.harmonic_table(given, *TABLE) for given in (rows, rows | others))
    pd.testing.assert_frame_equal(beside, alone)
    a1 = [study_a.judge(given).query("id == 'A1'") for given in (rows, rows | others)]
    pd.testing.assert_frame_equal(*a1)


def test_a_table_is_provisional_until_every_row_exists():
    rows = study(claimed_row_ahead(0.03))
    whole = scores.harmonic_table(rows, *TABLE)
    assert len(whole) == 128 and not whole["provisional"].any()
    assert whole["row"][0] == CLAIMED and whole["harmonic_score"][0] == 1
    assert whole["harmonic_score"].is_monotonic_decreasing and whole["harmonic_score"].min() == 0
    assert (whole["low"] <= whole["harmonic_score"]).all() and (whole["harmonic_score"] <= whole["high"]).all()
    first = whole.iloc[0]
    right = 1 - first["ece"]
    assert first["harmonic_mean"] == pytest.approx(2 / (1 / first["accuracy"] + 1 / right))
    two = [replace(CLAIMED, mixup=mixup) for mixup in (False, True)]
    part = scores.harmonic_table({row: rows[row] for row in two}, *TABLE)
    assert len(part) == 2 and part["provisional"].all() and set(part["kind"]) == {TEST_IMAGES_ONLY}
    assert list(scores.harmonic_table({}, *TABLE)) == list(whole)


def test_the_first_rows_of_each_table_stand_under_its_title(results):
    tables = scores.score_tables(results)
    assert list(tables) == ["tiny, IF 2", "tiny, IF 4"]
    assert all(len(table) == 8 and table["provisional"].all() for table in tables.values())
    means = results.means.assign(panel="as in the table")
    first = scores.best(tables, means, count=3)
    assert first["panel"].tolist() == ["tiny, IF 2"] * 3 + ["tiny, IF 4"] * 3
    assert first["row"].tolist() == [row for table in tables.values() for row in table["row"][:3]]
    assert first["ece"].tolist() == [means.set_index("row").loc[row, "ece"] for row in first["row"]]
    assert scores.best({}, means).empty


def test_in_words_for_figures(results):
    table = scores.score_tables(results)["tiny, IF 2"]
    shown = scores.in_words(table)
    assert shown["score"].tolist() == table["harmonic_score"].tolist()
    assert shown["label"][0] == table["row"][0].label and set(shown["KD method"]) == {"vanilla KD", "CRD"}
    assert isinstance(table["row"][0], Row)
