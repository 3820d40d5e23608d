"""Single networks that stand for a table."""

import pytest

from kdlib.studies import ece_by_bins_and_batches
from kdlib.studies.imbalance_kd_calibration import networks


def test_the_best_student_and_whom_it_is_compared_with(results):
    single = networks.of_tables(results)
    assert list(single) == ["tiny, IF 2", "tiny, IF 4"]
    means = results.means.set_index("row")
    for panel, records in single.items():
        assert list(records) == ["best student", "its baseline", "its teacher", "worst student by NLL"]
        of_panel = means.loc[[row for row in results.of("student") if row.panel == panel]]
        best, worst = of_panel["held_out_accuracy"].idxmax(), of_panel["nll"].idxmax()
        rows = dict(zip(records, (best, best.baseline, best.teacher, worst), strict=True))
        for title, row in rows.items():
            assert records[title] == results.rows[row][0]


def test_eces_stand_under_their_table_without_the_worst_student(results):
    single = networks.of_tables(results)
    eces = networks.ece_by_bins_and_batches(single)
    assert eces["network"].tolist() == ["best student", "its baseline", "its teacher"] * 2
    alone = ece_by_bins_and_batches({"best student": single["tiny, IF 4"]["best student"]})
    assert eces.iloc[3].drop("panel").to_dict() == alone.iloc[0].to_dict()
    assert networks.ece_by_bins_and_batches({}).empty


def test_the_gradient_of_the_teachers_term_by_that_of_the_labels(results):
    ratios = networks.gradient_ratios(results)
    assert len(ratios) == 16 and set(ratios["KD method"]) == {"vanilla KD", "CRD"}
    history = results.rows[results.of("student")[0]][0]["history"]
    labels, teacher = history[-1]["gradient_norms"]
    assert ratios["last epoch"][0] == pytest.approx(teacher / labels) and (ratios["first epoch"] > 0).all()
