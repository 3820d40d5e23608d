"""The source's rows beside ours."""

import pytest

from kdlib.studies import published as figures_of
from kdlib.studies.imbalance_kd_calibration import published, scores


def test_every_published_row_stands_beside_ours_at_the_nearest_imbalance_factor(results):
    found = published.beside_published(results)
    # Both of our tables are nearest to 50; the 128 published rows of 100 stand beside none.
    assert found["panel"].value_counts().to_dict() == dict.fromkeys(
        ["tiny, IF 2", "tiny, IF 4", "published IF 100, not measured here"], 128
    )
    assert found["our %"].notna().sum() == 16
    both = found.dropna(subset=["our %"])
    assert set(both["kd"]) == {"kd", "crd"} and not both["mixup"].any()
    means = results.means.set_index("row")
    for row in results.of("student"):
        line = both[
            (both["panel"] == row.panel)
            & (both["kd"] == row.kd)
            & (both["teacher_objective"] == row.teacher_objective)
            & (both["student_objective"] == row.student_objective)
        ]
        assert line["our ECE"].item() == means.loc[row, "ece"]


def test_gains_are_over_the_sides_own_row_of_the_same_table(results):
    found = published.beside_published(results)
    source = figures_of("imbalance_cifar10_all_rows").set_index(["imbalance_factor", "kd"]).sort_index()
    base = source.loc[(50, "kd")].query(
        "teacher_calibration == 'cross_entropy' and student_calibration == 'cross_entropy' and not mixup"
    )
    first = found[found["panel"] == "tiny, IF 4"].iloc[5]
    assert first["published gain"] == pytest.approx(first["published %"] - base["accuracy"].item())
    ours = found[(found["our gain"] == 0) & (found["teacher_objective"] == "cross_entropy")]
    assert ours["kd"].tolist() == ["kd", "kd"] and set(ours["student_objective"]) == {"cross_entropy"}


def test_the_printed_rows_are_matched_by_what_the_result_files_call_them(results):
    printed = published.beside_printed(results, scores.score_tables(results))
    assert printed["teacher_objective"].tolist() == figures_of("imbalance_kd_calibration")["result_file_teacher"].tolist()
    assert len(printed) == 4 and printed[["our %", "our score"]].isna().all(axis=None)
    assert published.beside_printed(results, {})["published score"].notna().all()
