"""Tables under the words of people."""

import pandas as pd

from kdlib.studies.imbalance_kd_calibration import published, scores, tables
from kdlib.studies.imbalance_kd_calibration.rows import named, with_panels


def html(frame, **options):
    return tables.table(frame, note="What it is.", **options).as_raw_html()


def test_figures_have_their_digits_and_columns_their_words(results):
    means = with_panels(named(results.means))
    best = tables.first_by_score(scores.best(scores.score_tables(results), means))
    shown = html(best)
    assert ">method</" in shown and ">plain mean</" in shown and "harmonic_score" not in shown
    assert f">{best['ece'][0]:.4f}<" in shown and f">{best['harmonic_score'][0]:.3f}<" in shown and ">no<" in shown
    assert tables.table(best.head(0), note="nothing") is None


def test_both_objectives_beside_each_other(results):
    means = with_panels(named(results.means))
    wide = tables.by_both_objectives(means)
    assert list(wide)[:3] == ["panel", "KD method", "teacher_objective"] and len(wide) == 8
    line = wide[(wide["panel"] == "tiny, IF 4") & (wide["KD method"] == "CRD") & (wide["teacher_objective"] == "BS")]
    one = means.query(
        "panel == 'tiny, IF 4' and `KD method` == 'CRD' and teacher_objective == 'BS' and student_objective == 'CE'"
    )
    assert line["accuracy %: CE"].item() == one["accuracy %"].item() and f">{one['ece'].item():.3f}<" in html(wide)


def test_means_by_role_and_own_objective(results):
    means = with_panels(named(results.means))
    own = tables.by_own_objective(means)
    assert len(own) == 2 * 4 * 2
    teacher = own.query("panel == 'tiny, IF 2' and role == 'teacher' and objective == 'BS'")
    row = means.query("panel == 'tiny, IF 2' and role == 'teacher' and teacher_objective == 'BS'")
    assert teacher["nll"].item() == row["nll"].item()


def test_an_ece_that_a_calibrated_network_could_have_is_grey():
    frame = pd.DataFrame({"panel": "one", "ece": [0.0101, 0.0302], "ece_floor_95": [0.02, 0.02], "repeats": [5, 5]})
    shown = html(frame)
    assert f"What it is. {tables.AT_FLOOR}" in shown and ">seeds</" in shown and "floor" not in shown.split("<thead")[1]
    at_floor, above = (next(line for line in shown.splitlines() if f">{ece}<" in line) for ece in ("0.0101", "0.0302"))
    assert at_floor.replace("0.0101", "") != above.replace("0.0302", "")  # one cell has a colour of its own
    assert tables.AT_FLOOR not in html(frame.drop(columns="ece_floor_95"))


def test_published_rows_beside_ours(results):
    beside = tables.beside_published(published.beside_published(results))
    assert {"data", "KD method", "published gain", "our ECE scaled"} <= {*beside} and set(beside["data"]) == {
        "CIFAR-10"
    }
    printed = tables.beside_printed(published.beside_printed(results, scores.score_tables(results)))
    shown = html(beside)
    assert ">± sd<" in shown and ">ECE ± sd<" in shown and ">0.25<" in shown and ">0.0040<" in shown
    assert "0.8561" in html(printed, group=None) and isinstance(printed, pd.DataFrame)


def test_a_table_with_scaled_figures_says_what_they_are(results):
    own = tables.by_own_objective(with_panels(named(results.means)))
    assert f"What it is. {tables.SCALED}" in html(own) and "balanced held-out images" in tables.SCALED
    assert tables.SCALED not in html(own[["panel", "role", "ece"]])
