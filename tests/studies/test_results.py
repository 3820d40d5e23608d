"""What was measured of declared rows, on networks trained for the test."""

from dataclasses import dataclass

import numpy as np
import pytest
import tiny
from builders import repeats

import kdlib
from kdlib import Term
from kdlib.intervals.comparisons import Interval
from kdlib.studies import Results
from kdlib.studies.results import FIGURES, differences, held_out_best, shown


@dataclass(frozen=True)
class Row:
    role: str
    width: int | None = None

    def __str__(self):
        return f"{self.role} {self.width or ''}".strip()


class Measured(Results):
    """Results of rows made for the test."""

    def __init__(self, rows):
        self.rows = rows


def sick(batch, student):
    return student.logits.sum() * float("nan")


@pytest.fixture(scope="module")
def declared():
    kdlib.terms.add("sick of results", sick)
    yield {
        Row("baseline"): [tiny.run(2, seed=seed, data_seed=seed) for seed in range(3)],
        Row("narrow", 4): [tiny.run(2, width=4, seed=seed, data_seed=seed) for seed in range(2)],
        Row("sick"): [tiny.run(2, objective=[Term("sick of results")])],
    }
    del kdlib.terms._entries["sick of results"]


@pytest.fixture(scope="module")
def results(declared):
    return Results(declared, kdlib.train([run for runs in declared.values() for run in runs]))


def test_a_line_per_run_in_the_order_of_the_declaration(results, declared):
    assert results.runs["role"].tolist() == ["baseline"] * 3 + ["narrow"] * 2 + ["sick"]
    assert results.runs["repeat"].tolist() == [0, 1, 2, 0, 1, 0]
    assert results.runs["key"].tolist() == [run.key for runs in declared.values() for run in runs]
    assert results.runs["accuracy %"].dropna().tolist() == (100 * results.runs["accuracy"].dropna()).tolist()
    assert results.progress() == "5 of 6 runs measured."


def test_records_by_repeat(results, declared):
    assert {row: list(records) for row, records in results.rows.items()} == {
        Row("baseline"): [0, 1, 2], Row("narrow", 4): [0, 1]}  # fmt: skip
    assert results.rows[Row("narrow", 4)][1]["key"] == declared[Row("narrow", 4)][1].key
    assert results.of("narrow") == [Row("narrow", 4)] and results.of("sick") == []


def test_means_are_over_the_repeats(results):
    means = results.means.set_index("row")
    own = [record["metrics"]["last"]["raw"]["nll"] for record in results.rows[Row("baseline")].values()]
    assert means.loc[Row("baseline"), "nll"] == pytest.approx(np.mean(own))
    assert means.loc[Row("narrow", 4), ["width", "repeats"]].tolist() == [4, 2]


def test_overview_counts_what_was_declared_and_what_was_measured(results):
    overview = results.overview().set_index("role")
    assert overview[["runs", "measured"]].to_numpy().tolist() == [[3, 3], [2, 2], [1, 0]]
    assert overview.loc["baseline", "network"] == "cnn2" and np.isnan(overview.loc["sick", "ECE"])


def test_failures_are_named(results):
    (line,) = results.failures()
    assert line.startswith("Failed: sick, repeat 0: the gradient of loss term sick") or "sick of results" in line


def accuracies(results, row, repeats):
    return [results.rows[row][repeat]["metrics"]["last"]["raw"]["accuracy"] for repeat in repeats]


def test_a_difference_of_rows_that_share_two_seeds_is_that_of_their_means(results):
    found = results.difference(Row("narrow", 4), Row("baseline"))
    own, other = accuracies(results, Row("narrow", 4), range(2)), accuracies(results, Row("baseline"), range(3))
    assert found.estimate == pytest.approx(np.mean(own) - np.mean(other))
    assert "noise borrowed from 2 repeated rows, 3 repeats" in found.kind


def test_a_difference_of_rows_that_share_three_seeds_is_over_these():
    rows = {Row("often"): repeats(0.60, 0.64, 0.62, 0.9), Row("thrice"): repeats(0.59, 0.63, 0.61)}
    found = Measured(rows).difference(Row("often"), Row("thrice"))
    assert found.estimate == pytest.approx(0.01) and found.kind == "test images and training: 3 repeats"


def test_intervals_are_shown_in_percent(results):
    line = results.intervals([Row("narrow", 4)]).iloc[0]
    assert line["accuracy % low"] <= line["accuracy %"] <= line["accuracy % high"]
    assert line["accuracy %"] == pytest.approx(100 * results.interval(Row("narrow", 4)).estimate)
    assert line["ece"] == results.interval(Row("narrow", 4), "ece").estimate


def test_what_was_made_tells_training_from_rendering(results):
    made = results.made
    assert made["runs"] == 5 and made["seeds"] == [0, 1, 2] and list(made["data"]) == ["tiny"]
    assert made["hours"] == pytest.approx(sum(r["provenance"]["seconds"] for r in results.records) / 3600)


def test_the_best_row_is_chosen_on_held_out_images_at_the_seeds_that_all_rows_have(results):
    accuracy = {
        row: np.mean([records[repeat]["metrics"]["last"]["held_out"]["accuracy"] for repeat in (0, 1)])
        for row, records in results.rows.items()
    }
    assert held_out_best(results, results.rows) == max(accuracy, key=accuracy.get)
    rows = {Row("often"): repeats(0.6, 0.9, 0.9), Row("once"): repeats(0.7), Row("test"): repeats(0.9, held_out=0.5)}
    assert held_out_best(Measured(rows), rows) == Row("once")


def test_means_have_a_column_for_every_figure(results):
    assert {*FIGURES} <= {*results.means} and results.means["ece_floor_95"].between(0, 1).all()


def test_differences_are_lines_of_a_figure():
    made = Interval(0.01, -0.02, 0.04, "3 pairs")
    table = differences([("mixup", "with", {"accuracy": made, "ece": made})])
    assert table.loc[0].tolist() == ["mixup", "with", "accuracy", 1.0, -2.0, 4.0]
    assert table.loc[1].tolist() == ["mixup", "with", "ece", 0.01, -0.02, 0.04]
    assert differences([]).empty and shown(made, "accuracy")["low"] == -2.0
