"""The source's rows beside ours: the 256 of its result files, and the four that its text prints."""

from collections.abc import Mapping

import pandas as pd

from kdlib.studies.imbalance_kd_calibration.rows import panel
from kdlib.studies.results import Results
from kdlib.studies.study import published

MATCH = ["kd", "teacher_objective", "student_objective", "mixup"]
_THEIRS = {"accuracy": "published %", "ece": "published ECE", "harmonic_score": "published score"}
_OURS = {"accuracy %": "our %", "ece": "our ECE", "scaled_ece": "our ECE scaled"}


def result_files() -> pd.DataFrame:
    """The 256 rows of the source's result files: CIFAR-10 at imbalance factors 50 and 100."""
    objectives = {"teacher_calibration": "teacher_objective", "student_calibration": "student_objective"}
    return published("imbalance_cifar10_all_rows").rename(columns={"dataset": "data"} | objectives | _THEIRS)


def beside_published(results: Results) -> pd.DataFrame:
    """A line per published row and table of ours, matched by method, objectives and mixup at the nearest imbalance
    factor, under the `panel` of ours; then the published rows that stand beside none.

    Accuracies are in percent. Networks differ, so that only differences within a table can be compared: `published
    gain` and `our gain` are those to the side's own row with vanilla KD, CE -> CE and no mixup, in points. What is not
    measured here is NaN.
    """
    theirs, ours = result_files(), _students(results)
    tables = ours.groupby(["data", "imbalance_factor"], sort=False)
    beside = [
        _nearest(theirs, imbalance_factor).merge(table[[*MATCH, *_OURS.values()]], on=MATCH, how="left")
        .assign(panel=panel(data, imbalance_factor))
        for (data, imbalance_factor), table in tables
    ]  # fmt: skip
    alone = theirs[
        ~theirs["imbalance_factor"].isin({factor for lines in beside for factor in lines["imbalance_factor"]})
    ]
    alone = alone.assign(panel=alone["imbalance_factor"].map("published IF {:g}, not measured here".format))
    return _with_gains(pd.concat([*beside, alone], ignore_index=True).reindex(columns=[*alone, *_OURS.values()]))


def beside_printed(results: Results, scores: Mapping[tuple[str, float], pd.DataFrame]) -> pd.DataFrame:
    """The four printed rows, matched by what the authors' own result files call them, with our figures and harmonic
    scores; `scores` are the harmonic tables by (data, imbalance factor)."""
    printed = published("imbalance_kd_calibration").rename(columns={"dataset": "data"} | _THEIRS)
    printed["teacher_objective"] = printed.pop("result_file_teacher")
    printed["student_objective"] = printed.pop("result_file_student")
    empty = pd.DataFrame(columns=["row", "harmonic_score"])
    scored = pd.concat([empty, *(table[["row", "harmonic_score"]] for table in scores.values())])
    ours = _students(results).merge(scored.rename(columns={"harmonic_score": "our score"}), on="row", how="left")
    return printed.merge(ours.drop(columns="row"), on=["data", "imbalance_factor", *MATCH], how="left")


def _nearest(theirs: pd.DataFrame, imbalance_factor: float) -> pd.DataFrame:
    """The published rows at the imbalance factor that is nearest."""
    distance = (theirs["imbalance_factor"] - imbalance_factor).abs()
    return theirs[distance == distance.min()]


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
