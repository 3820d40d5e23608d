"""Study A for tests: measured tables made up, all 128 students and who they stand beside; and its notebook's cells,
executed without a kernel on a data set that trains in seconds."""

import json
from dataclasses import asdict, astuple, replace
from pathlib import Path

import builders
import numpy as np
import pandas as pd
import tiny  # noqa: F401  (registers the data set)

import kdlib
from kdlib import draws
from kdlib.studies import Results
from kdlib.studies.imbalance_kd_calibration.rows import Row, students
from kdlib.studies.results import FIGURES

DRAWS = np.random.default_rng(0).normal(0, 1, (64, 500))  # what the test images do to a network
TABLE = ("cifar10", 100.0)
CLAIMED = Row("student", *TABLE, "crd", "balanced_softmax", "balanced_softmax", True)
NOTEBOOK = Path(kdlib.__file__).parents[1] / "notebooks" / "imbalance_kd_calibration.ipynb"
SMALL = {
    "data_sets": ["tiny"], "imbalance_factors": [2.0], "teacher": "cnn2", "epochs": 1, "teacher_epochs": 1,
    "plain_repeats": 3, "core_repeats": 1, "tried": {}, "tuned": {}, "negatives": 16, "batch_size": 32,
}  # fmt: skip


class OfRows(Results):
    """What was measured of rows made for a test, without their runs; figures that they do not have are NaN."""

    def __init__(self, rows):
        self.rows = rows
        lines = [
            asdict(row) | {"row": row, "repeat": repeat, "status": "finished"} | _figures(record)
            for row, records in rows.items()
            for repeat, record in records.items()
        ]
        self.runs = pd.DataFrame(lines)
        self.fields = list(dict.fromkeys(field for row in rows for field in asdict(row)))


def _figures(record):
    last = record["metrics"]["last"]
    raw, held_out = last["raw"], last["held_out"]["accuracy"]
    known = {"accuracy %": 100 * raw["accuracy"], "ece": raw["ece"], "held_out_accuracy": held_out}
    return dict.fromkeys(FIGURES, np.nan) | known


def exactly(*accuracies, ece=0.1, held_out=None):
    """A row's repeats on so many images that only training makes them differ: intervals by hand."""
    made = {}
    for repeat, accuracy in enumerate(accuracies):
        replicates = {"accuracy": np.full(500, accuracy), "ece": np.full(500, ece)}
        made[repeat] = builders.record(accuracy, ece, held_out=held_out, bootstrap=replicates)
    return made


def record(accuracy, ece, held_out, luck):
    """The record of a run; resampled, its ECE is larger."""
    replicates = {
        "accuracy": accuracy + 0.001 * DRAWS[luck % 64],
        "ece": ece + 0.002 + 0.001 * DRAWS[(luck + 7) % 64],
    }
    return builders.record(accuracy, ece, held_out=held_out, bootstrap=replicates)


def measured(figures, row, repeats=1):
    """Repeats of a row; `figures` is a function of it to (accuracy, ECE) or (accuracy, ECE, held-out)."""
    luck = draws.uniform(2 * repeats, "luck of the test", *map(str, astuple(row)))
    accuracy, ece, held_out = (*figures(row), None)[:3]
    made = {}
    for repeat in range(repeats):
        by, also = 0.002 * (luck[2 * repeat : 2 * repeat + 2] - 0.5)
        made[repeat] = record(accuracy + by, ece + also, held_out or accuracy + by, int(1e6 * luck[2 * repeat]))
    return made


def baseline(objective="cross_entropy", mixup=False, table=TABLE):
    return Row("baseline", *table, student_objective=objective, mixup=mixup)


def study(figures, tables=(TABLE,), repeated=True):
    """All students of the tables, and two baselines that were repeated: the training noise."""
    rows = {row: measured(figures, row) for table in tables for row in students(*table)}
    noisy = [baseline(mixup=mixup) for mixup in (False, True)] if repeated else []
    return rows | {row: measured(lambda _: (0.65, 0.12), row, 3) for row in noisy}


def flat(row):
    return 0.7, 0.1


def claimed_row_ahead(by):
    def figures(name):
        first = name == replace(CLAIMED, data=name.data, imbalance_factor=name.imbalance_factor)
        ordinary = 0.6 + 0.1 * draws.uniform(1, *map(str, astuple(name))).item()
        return (0.71 + by, 0.1 - by) if first else (ordinary, 0.2 - (ordinary - 0.6))

    return figures


def executed(until=None, **parameters):
    """The namespace after the notebook's code cells, or those up to the one that is tagged, with other parameters."""
    namespace = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        tags = cell["metadata"].get("tags", ())
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {cell['id']}", "exec"), namespace)
        if "parameters" in tags:
            namespace.update(SMALL | parameters)
        if until in tags:
            break
    return namespace
