"""The runs that a notebook declares, known and trained without Jupyter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell
from written import tagged, write_notebook

import kdlib
from kdlib import report
from kdlib.registry import KdlibError
from kdlib.report.declaration import declaration
from kdlib.report.jobs import plan

DECLARE = """\
# a run per learning rate
from kdlib import Run

runs = {rate: [Run(data=data, network="cnn2", epochs=epochs, lr=rate, width=4)] for rate in (lr, 2 * lr)}
declared = runs | {"again": runs[lr]}
"""
TERM = """\
import kdlib


@kdlib.terms.register("mine")
def mine(batch, student, *, power=2.0):
    return student.logits.abs().pow(power).mean()


class Scaled:
    def __call__(self, x):
        return x
"""
FORBIDDEN = ("IPython", "papermill", "nbformat", "nbconvert", "matplotlib", "seaborn", "great_tables", "jinja2")


def declared_by(path, *cells, params=()):
    return declaration(plan([str(write_notebook(path / "tiny.ipynb", *cells))], "digits", params)[0])


def test_the_runs_are_found_each_once_with_the_given_parameters(tmp_path):
    found = declared_by(tmp_path, tagged(DECLARE, "declare"), new_code_cell("1 / 0"), params=["epochs=3", "budget=7"])
    assert [(run.epochs, run.lr) for run in found.runs] == [(3, 0.1), (3, 0.2)] and found.budget == 7


def test_a_notebook_without_the_tag_declares_nothing(tmp_path):
    assert declared_by(tmp_path, new_code_cell(DECLARE)) is None
    with pytest.raises(KdlibError, match="tiny.ipynb has 0 cells tagged `declare`: it needs exactly one"):
        report.train_declared(str(tmp_path / "tiny.ipynb"))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("declared = [3]", r"`declared` holds 3: give runs, in lists or under the names of their rows\."),
        ("runs = []", r"tiny\.ipynb binds no `declared`"),
        ("declared = [1 / 0]", r"Cell 3 of tiny\.ipynb failed with ZeroDivisionError: division by zero"),
        ("%matplotlib inline", r"Cell 3 of tiny\.ipynb failed with SyntaxError: invalid syntax"),
        ("import torchmetrix", r"Cell 3 of tiny\.ipynb needs torchmetrix, which is not installed here"),
        (DECLARE.replace("epochs=epochs", "epochs=0"), r"^epochs is 0: give 1 or more\.$"),
    ],
)
def test_a_cell_that_cannot_declare_gets_one_sentence(tmp_path, source, sentence):
    with pytest.raises(KdlibError, match=sentence):
        declared_by(tmp_path, tagged(source, "declare"))


def test_what_a_cell_registers_has_the_version_that_it_has_in_a_kernel(tmp_path):
    said = "declared = []\nversions = kdlib.terms['mine'].version, kdlib.registry.source_hash(Scaled)\nprint(versions)"
    notebook = write_notebook(tmp_path / "tiny.ipynb", new_code_cell(TERM), tagged(said, "declare"))
    plain = "from kdlib.report.declaration import declaration\nfrom kdlib.report.jobs import plan\n"
    plain += f"declaration(plan([{str(notebook)!r}], 'digits', [])[0])"
    done = subprocess.run([sys.executable, "-c", plain], capture_output=True, text=True)
    papermill = [sys.executable, "-m", "papermill", notebook, tmp_path / "out.ipynb", "--no-progress-bar"]
    subprocess.run(papermill, check=True, capture_output=True)
    outputs = json.loads((tmp_path / "out.ipynb").read_text())["cells"][-1]["outputs"]
    assert done.stdout.startswith("('") and "".join(outputs[0]["text"]) == done.stdout


WITHOUT = f"""\
import sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FORBIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Forbidden())
from kdlib.__main__ import main

main()
"""


def test_train_needs_no_jupyter_and_no_plots(tmp_path):
    notebook = write_notebook(tmp_path / "tiny.ipynb", tagged(DECLARE, "declare"), new_code_cell("1 / 0"))
    own = {"KDLIB_STORE": str(tmp_path / "runs"), "PYTHONPATH": str(Path(kdlib.__file__).parents[1])}
    command = [sys.executable, "-c", WITHOUT, "train", str(notebook), "-p", "epochs=1"]
    for new, first in (2, True), (0, False):
        done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"tiny, profile digits: 2 runs declared, {new} new" in done.stdout
        assert done.stdout.splitlines()[-1] == "2 of 2 measured" and ("to train" in done.stdout) == first


def test_a_value_out_of_range_fails_at_once_and_rewrites_nothing(tmp_path):
    notebook = write_notebook(tmp_path / "tiny.ipynb", tagged(DECLARE, "declare"))
    command = [sys.executable, "-m", "kdlib", "report", str(notebook), "-p", "epochs=0"]
    before = os.times().children_user
    done = subprocess.run(command, capture_output=True, text=True)
    spent = os.times().children_user - before
    assert done.returncode == 1 and done.stderr == "kdlib: epochs is 0: give 1 or more.\n"
    assert spent < 2  # seconds of the processor: no torch, no kernel
    with pytest.raises(KdlibError):
        report.main([str(notebook)], params=["epochs=0"], reports=tmp_path / "reports")
    assert not (tmp_path / "reports").exists()
