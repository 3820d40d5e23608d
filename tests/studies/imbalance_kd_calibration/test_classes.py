"""Head, middle and tail of the classes."""

import numpy as np
import pytest

from kdlib import evaluate
from kdlib.studies.imbalance_kd_calibration import classes, networks


def test_accuracy_by_third_is_the_mean_over_repeats(results):
    thirds = classes.by_third(results)
    assert thirds.groupby("role").size().to_dict() == {"baseline": 4, "ablation": 4, "student": 16}
    plain = thirds[(thirds["role"] == "baseline") & (thirds["student_objective"] == "CE")].iloc[0]
    row = next(row for row in results.of("baseline") if len(results.rows[row]) == 3)
    confusions = [np.array(record["confusion"]) for record in results.rows[row].values()]
    by_hand = [matrix.diagonal()[:3].sum() / matrix[:3].sum() for matrix in confusions]
    assert plain["head %"] == pytest.approx(100 * np.mean(by_hand)) and plain["KD method"] == "baseline"


def test_means_by_table_role_and_objective(results):
    thirds = classes.by_third(results)
    means = classes.means_by_third(thirds)
    assert len(means) == 2 * 3 * 2
    chosen = means[(means["panel"] == "tiny, IF 4") & (means["role"] == "student") & (means["student_objective"] == "BS")]
    same = thirds[(thirds["panel"] == "tiny, IF 4") & (thirds["role"] == "student") & (thirds["student_objective"] == "BS")]
    assert len(same) == 4 and chosen["tail %"].item() == pytest.approx(same["tail %"].mean())


def test_long_tails_by_data_set_and_imbalance_factor(results):
    tails = classes.long_tails(results)
    assert list(tails) == ["tiny"] and list(tails["tiny"]) == [2.0, 4.0]
    for imbalance_factor, facts in tails["tiny"].items():
        counts = facts["class_counts"]
        assert len(facts["class_names"]) == 10 and counts == sorted(counts, reverse=True)
        assert counts[0] // counts[-1] == imbalance_factor


def test_confidence_and_accuracy_by_third(results):
    single = networks.of_tables(results)
    shown = classes.honesty_by_third(single)
    assert list(shown) == ["panel", "network", "head %", "middle %", "tail %", "head gap", "middle gap", "tail gap"]
    assert shown["panel"].tolist() == [panel for panel, records in single.items() for _ in records]
    record = next(iter(single["tiny, IF 2"].values()))
    parts = evaluate.evaluation("thirds", record["key"])
    confidence, accuracy = 100 * parts["tail_confidence"], 100 * parts["tail_accuracy"]
    assert shown["tail gap"][0] == pytest.approx(confidence - accuracy)
    assert shown["tail %"][0] == f"{confidence:.1f} / {accuracy:.1f}"
    assert classes.honesty_by_third({}).empty
