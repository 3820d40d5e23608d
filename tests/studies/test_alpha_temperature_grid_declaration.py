"""What the grid's notebook declares, by the cells that need no training."""

import subprocess
import sys

import pytest

from kdlib import KdlibError
from kdlib.report.declaration import TAG
from kdlib.report.notebook import code_cells, find, only, profiles
from kdlib.report.values import from_file
from kdlib.studies.alpha_temperature_grid import BASELINE, TEACHER, Row

NOTEBOOK = find("alpha_temperature_grid")
CIFAR = from_file(profiles(NOTEBOOK)["cifar_cpu"])


def declared(**parameters):
    """The rows and their runs."""
    namespace, code = {}, code_cells(NOTEBOOK)
    for cell in code[: only(code, TAG, NOTEBOOK.name).number]:
        exec(cell.source, namespace)
        if "parameters" in cell.tags:
            namespace.update(parameters)
    return namespace["declared"]


def test_every_cell_runs_as_often_as_is_said_and_one_as_often_as_the_baseline():
    rows = declared(**CIFAR)
    often = {row for row, runs in rows.items() if len(runs) == 10}
    assert often == {BASELINE, Row("cell", 0.75, 1)}
    assert {len(runs) for row, runs in rows.items() if row.role == "cell" and row not in often} == {3}
    for row in often:
        assert [(run.seed, run.data_seed) for run in rows[row]] == [(repeat, repeat) for repeat in range(10)]
    others = declared(**CIFAR | {"repeated_cell": []})
    assert len(others[Row("cell", 0.75, 1)]) == 3 and others.keys() == rows.keys()
    assert others[Row("cell", 0.75, 1)] == rows[Row("cell", 0.75, 1)][:3]  # the first are the same runs


def test_a_cell_that_is_repeated_less_often_than_all_others_keeps_their_number():
    rows = declared(repeats=4, plain_repeats=2, repeated_cell=[0.5, 10])
    assert {len(runs) for row, runs in rows.items() if row.role == "cell"} == {4}


def test_an_ablation_at_full_step_pulls_as_the_baseline_does():
    rows = declared(**CIFAR)
    full = {row.alpha: runs for row, runs in rows.items() if row.role == "ablation at full step"}
    assert full.keys() == {0.75, 0.9}
    for alpha, runs in full.items():
        for run, other in zip(runs, rows[Row("ablation", alpha)], strict=True):
            (term,) = run.objective
            assert run.lr == pytest.approx(0.1 / (1 - alpha)) and run.lr * term.weight == pytest.approx(0.1)
            assert (run.objective, run.seed, run.data_seed) == (other.objective, other.seed, other.data_seed)
            assert other.lr == 0.1 and not run.teachers


def test_a_cell_and_its_ablation_differ_in_the_teacher_alone():
    rows = declared()
    for row, (run,) in ((row, runs) for row, runs in rows.items() if row.role == "cell"):
        (ablation,) = rows[Row("ablation", row.alpha)]
        assert ablation.objective == run.objective[:1] and run.teachers == (rows[TEACHER][0],)
        assert run.objective[1].weight == row.alpha and run.objective[0].weight == pytest.approx(1 - row.alpha)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"full_step_alphas": [0.9, 1]}, "alpha is 1: without the teacher no term is left"),
        ({"repeated_cell": [0.6, 10]}, r"repeated_cell is \[0.6, 10\], which is not on the grid: give an alpha of"),
        ({"repeated_cell": [0.5]}, r"repeated_cell is \[0.5\], which is not on the grid"),
        ({"alphas": [0.5], "repeated_cell": [0.1, 1]}, r"repeated_cell is \[0.1, 1\], which is not on the grid"),
        ({"alphas": [1.5]}, "alpha is 1.5: give a weight from 0"),
        ({"plain_repeats": -1}, "plain_repeats is -1: give 0 or more"),
    ],
)
def test_what_is_out_of_range_is_said_before_anything_is_trained(parameters, said):
    with pytest.raises(KdlibError, match=said):
        declared(**parameters)


def test_the_teacher_alone_is_a_cell_without_an_ablation():
    rows = declared(alphas=[1], full_step_alphas=[], squared_temperatures=[])
    assert {row.role for row in rows} == {"teacher", "baseline", "cell", "similarity-preserving"}


def test_a_bad_parameter_is_one_line_on_the_command_line():
    command = [sys.executable, "-m", "kdlib", "report", NOTEBOOK.stem, "-p", "repeated_cell=[0.6, 10]"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and not done.stdout.count("to train")
    assert done.stderr.strip().splitlines()[-1].startswith("kdlib: repeated_cell is [0.6, 10")
