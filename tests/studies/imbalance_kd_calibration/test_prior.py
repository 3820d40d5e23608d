"""Two baselines that need no training: figures by hand from the runs' logits, and gaps where there are none."""

import numpy as np
import pandas as pd
import pytest
import torch

import kdlib
from kdlib import metrics
from kdlib.store import Store, dump
from kdlib.studies.imbalance_kd_calibration import prior

NETWORKS = [f"{own} {role}" for role in ("teacher", "baseline", "ablation", "KD student") for own in ("CE", "BS")]


@pytest.fixture(scope="module")
def lines(results):
    return prior.free_baselines(results)


def test_a_line_per_panel_and_network(lines, results):
    assert list(lines) == ["panel", "network", "runs", *prior.FIGURES]
    assert lines["network"].tolist() == 2 * NETWORKS
    assert lines["panel"].tolist() == 8 * ["tiny, IF 2"] + 8 * ["tiny, IF 4"]
    measured = {str(row): len(records) for row, records in results.rows.items()}
    assert lines["runs"][8 + 2] == measured["CE student without a teacher, without mixup (tiny, IF 4)"]
    assert prior.DIGITS.keys() == {"runs", *prior.FIGURES}


def test_figures_are_means_over_repeats(lines, results):
    row = next(r for r in results.of("baseline") if r.student_objective == "cross_entropy" and r.imbalance_factor == 2)
    by_hand = []
    for record in results.rows[row].values():
        counts = torch.tensor(record["data"]["class_counts"]).double()
        (test, labels), (unseen, known) = (kdlib.logits(record["key"], split=s) for s in ("test", "held_out"))
        test, unseen = test.double(), unseen.double()
        per_class = torch.bincount(known, minlength=10)
        tempered = [metrics.fit_temperature(unseen, known, w) for w in (None, (counts / per_class)[known])]
        eces = [metrics.ece(z.softmax(1), labels) for z in (test, test - counts.log(), *(test / t for t in tempered))]
        right = [100 * (z.argmax(1) == labels).double().mean().item() for z in (test, test - counts.log())]
        by_hand.append([*right, *eces])
    shown = lines[(lines["panel"] == "tiny, IF 2") & (lines["network"] == "CE baseline")]
    assert shown["runs"].item() == len(by_hand)
    assert shown[prior.FIGURES].iloc[0].tolist() == pytest.approx(np.mean(by_hand, axis=0))


def test_the_finding_by_hand():
    figures = pd.DataFrame(
        [["A", "CE baseline", 4, 32.12, 44.04, 0.3, 0.03, 0.045, 0.29], ["A", "BS baseline", 4, 46.7, *[0.0] * 5],
         ["B", "CE baseline", 0, *[np.nan] * 6], ["B", "BS baseline", 4, 50.0, *[0.0] * 5],
         ["B", "CE ablation", 4, 36.3, 48.8, 0.3, 0.03, 0.05, 0.235], ["B", "BS ablation", 4, 49.7, *[0.0] * 5],
         ["C", "CE teacher", 1, *[0.0] * 6]],
        columns=["panel", "network", "runs", *prior.FIGURES],
    )  # fmt: skip
    said = prior.finding(figures)
    assert said.startswith(
        "A: log n_c taken off the logits at test, without training, brings the CE baseline from 32.1 to 44.0 %, the BS "
        "baseline has 46.7 %; a temperature fitted on held-out images with the training images' long tail leaves the "
        "CE baseline an ECE of 0.290 where balanced ones leave 0.045. B: "
    )
    assert "the CE ablation from 36.3 to 48.8 %, the BS ablation has 49.7 %" in said
    assert said.endswith("C: no network without a teacher has logits here.")
    assert prior.finding(figures.head(0)) == "No network was measured."


def test_a_reader_without_logits_sees_gaps(results, tmp_path, monkeypatch):
    for record in results.records:
        (tmp_path / f"{record['key']}.json").write_text(dump(record))
    monkeypatch.setenv("KDLIB_STORE", str(tmp_path / "nothing"))
    monkeypatch.setenv("KDLIB_RESULTS", str(tmp_path))
    lines = prior.free_baselines(results)
    assert lines["network"].tolist() == 2 * NETWORKS and set(lines["runs"]) == {0}
    assert lines[prior.FIGURES].isna().all(axis=None)
    assert "no network without a teacher has logits here" in prior.finding(lines)
    assert not Store().root.exists()
