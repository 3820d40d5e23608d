"""The source's rows beside ours: the 256 of its result files, and the four that its text prints."""

import pandas as pd

from kdlib.studies.imbalance_kd_calibration.rows import panel
from kdlib.studies.results import Results
from kdlib.studies.study import published

MATCH = ["kd", "teacher_objective", "student_objective", "mixup"]
FIGURES = {"accuracy": "published %", "ece": "published ECE", "harmonic_score": "published score"}
OURS = {"accuracy %": "our %", "ece": "our ECE", "scaled_ece": "our ECE scaled"}


def result_files() -> pd.DataFrame:
    """The 256 rows of the source's result files, CIFAR-10 at imbalance factors 50 and 100."""
    objectives = {"teacher_calibration": "teacher_objective", "student_calibration": "student_objective"}
    return published("imbalance_cifar10_all_rows").rename(columns=objectives | FIGURES)


def nearest(theirs: pd.DataFrame, imbalance_factor: float) -> pd.DataFrame:
    """The published rows at the imbalance factor that is nearest."""
    distance = (theirs["imbalance_factor"] - imbalance_factor).abs()
    return theirs[distance == distance.min()]


def beside_published(results: Results) -> pd.DataFrame:
    """A line per published row and table of ours, matched by method, objectives and mixup at the nearest imbalance
    factor, under the `panel` of ours; then the published rows that stand beside none.

    Accuracies in percent, each side's gain over its own row with vanilla KD, CE -> CE and no mixup in points: networks
    differ, so that only differences within a table can be compared. What is not measured here is NaN.
    """
    theirs, ours = result_files(), _ours(results)
    beside = [
        nearest(theirs, imbalance_factor).merge(table, on=MATCH, how="left").assign(panel=panel(data, imbalance_factor))
        for (data, imbalance_factor), table in ours.groupby(["data", "imbalance_factor"], sort=False)
    ]
    ...
