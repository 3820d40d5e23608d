"""The source's rows beside ours: the 256 of its result files, and the four that its text prints."""

from collections.abc import Mapping

import pandas as pd

from kdlib.studies.imbalance_kd_calibration.rows import Row, by_panel, stacked, with_panels
from kdlib.studies.printed import three_times
from kdlib.studies.results import Results
from kdlib.studies.sentences import listing
from kdlib.studies.study import Printed, published

MATCH = ["kd", "teacher_objective", "student_objective", "mixup"]
_SAME = ["data", "imbalance_factor", *MATCH]
_THEIR_ECE = "its ECE is a mean over batches of 128 images, on which a calibrated network scores about .08"
_THEIRS = {"accuracy": "published %", "ece": "published ECE", "harmonic_score": "published score"}
_OURS = {"accuracy %": "our %", "ece": "our ECE", "scaled_ece": "our ECE scaled"}


def result_files() -> pd.DataFrame:
    """The 256 rows of the source's result files: CIFAR-10 at imbalance factors 50 and 100."""
    objectives = {"teacher_calibration": "teacher_objective", "student_calibration": "student_objective"}
    return published("imbalance_cifar10_all_rows").rename(columns={"dataset": "data"} | objectives | _THEIRS)


def printed() -> Printed:
    """The 256 rows as records: means and standard deviations of three seeds."""
    lines = published("imbalance_cifar10_all_rows").astype({"imbalance_factor": float})
    rows = {Row("student", *line[:6]): _figures(*line[6:]) for line in lines.itertuples(index=False, name=None)}
    made = {row: three_times(row, row.data, **figures) for row, figures in rows.items()}
    return Printed(made, dict.fromkeys(["A1", "A3", "A4", "A5"], _THEIR_ECE))


def _figures(accuracy: float, accuracy_std: float, ece: float, ece_std: float) -> dict[str, tuple[float, float]]:
    return {"accuracy": (accuracy / 100, accuracy_std / 100), "ece": (ece, ece_std)}


def beside_published(results: Results) -> pd.DataFrame:
    """A line per published row, beside ours of the same data set, imbalance factor, method, objectives and mixup.
    `panel` is the table that it stands in, or says that this report has none of it.

    Accuracies are in percent. Networks differ, so that only differences within a table can be compared: `published
    gain` and `our gain` are those to the side's own row with vanilla KD, CE -> CE and no mixup, in points. What is not
    measured here is NaN.
    """
    here = {row.panel for row in results.of("student")}
    both = with_panels(result_files()).merge(_students(results).drop(columns="row"), on=_SAME, how="left")
    absent = "published for " + both["panel"] + "; not in this report"
    return _with_gains(both.assign(panel=both["panel"].where(both["panel"].isin(here), absent)))


def matched(results: Results) -> str:
    """Which of our tables stand beside published ones, and why others do not."""
    theirs, ours = dict.fromkeys(with_panels(result_files())["panel"]), by_panel(results.of("student"))
    both, alone = ([panel for panel in ours if (panel in theirs) == wanted] for wanted in (True, False))
    said = f"Rows are published for {listing(theirs)}"
    if not both:
        return f"{said}; this report has {listing(alone, none='no student')}: no row stands beside another."
    return f"{said}, and stand beside ours of {listing(both)}" + (f"; not of {listing(alone)}." if alone else ".")


def beside_printed(results: Results, scores: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The four printed rows, matched by what the authors' own result files call them, with our figures and harmonic
    scores; `scores` are the harmonic tables by title."""
    printed = published("imbalance_kd_calibration").rename(columns={"dataset": "data"} | _THEIRS)
    printed["teacher_objective"] = printed.pop("result_file_teacher")
    printed["student_objective"] = printed.pop("result_file_student")
    scored = stacked(scores, ["row", "harmonic_score"]).rename(columns={"harmonic_score": "our score"})
    ours = _students(results).merge(scored[["row", "our score"]], on="row", how="left")
    return printed.merge(ours.drop(columns="row"), on=_SAME, how="left")


def _students(results: Results) -> pd.DataFrame:
    """Our students, with the names that comparisons have for their figures."""
    means = results.means
    ours = means[means["role"] == "student"].rename(columns=_OURS)
    return ours[["row", "data", "imbalance_factor", *MATCH, *_OURS.values()]].astype({"mixup": bool})


def _with_gains(comparison: pd.DataFrame) -> pd.DataFrame:
    base = (comparison[MATCH] == ["kd", "cross_entropy", "cross_entropy", False]).all(axis=1)
    bases = comparison[base].set_index("panel")
    for side in ("published", "our"):
        gain = comparison[f"{side} %"] - comparison["panel"].map(bases[f"{side} %"])
        comparison[f"{side} gain"] = gain
    return comparison
