"""What was measured of a small study: two methods, two objectives, three repeats, on a few digits."""

import long_tails
import pytest

import kdlib
from kdlib.studies import Results

PARAMETERS = {
    "methods": ["kd", "crd"],
    "objectives": ["cross_entropy", "balanced_softmax"],
    "mixup": [False],
    "imbalance_factors": [2.0, 4.0],
    "teacher_epochs": 2,
    "epochs": 2,
}


@pytest.fixture(scope="session")
def results():
    declared = long_tails.executed("declare", **PARAMETERS)["declared"]
    return Results(declared, kdlib.train([run for runs in declared.values() for run in runs]))
