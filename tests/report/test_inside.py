"""A notebook's second cell checks its parameters in a live kernel and for plain papermill."""

import json
import re
import subprocess
import sys

import papermill
import pytest
from written import PARAMETERS, USES, write_notebook

SHELL = """\
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
{path}
for cell in {cells!r}:
    result = shell.run_cell(cell, store_history=True)
print(repr(shell.user_ns.get("epochs")))
"""


def run_cells(*cells: str, path=None) -> str:
    """What an IPython shell prints, the last line being the value of `epochs`; `path`: the notebook, as a front end
    tells it."""
    said = f"shell.user_ns['__session__'] = {str(path)!r}" if path else ""
    code = SHELL.format(path=said, cells=cells)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path / "tiny.ipynb")


@pytest.mark.parametrize(
    ("edited", "sentence"),
    [
        (PARAMETERS, None),
        (PARAMETERS.replace("epochs = 2", "epochs = 20"), None),
        (PARAMETERS + "epoch = 9", "Unknown parameter of this notebook 'epoch': did you mean 'epochs'"),
        (PARAMETERS.replace("epochs = 2", "epoch = 2"), "Parameter 'epochs' has no value: run the parameters cell"),
        (PARAMETERS.replace("epochs = 2", "epochs: int = '20'"), "Parameter 'epochs' is '20': give a whole number"),
        (PARAMETERS.replace("[0.1, 1]", "0.1"), "Parameter 'alphas' is 0.1: give a list of numbers"),
    ],
)
def test_an_edited_cell_is_held_against_the_file(notebook, edited, sentence):
    said = run_cells(edited, USES, path=notebook)
    assert (sentence is None) == ("KdlibError" not in said)
    assert sentence is None or sentence in said


def test_a_mended_cell_is_forgiven_and_a_scratch_cell_is_no_parameters_cell(notebook):
    said = run_cells(PARAMETERS + "epoch = 9", USES, PARAMETERS, "x = 1\nepochs = 7", USES, path=notebook)
    assert said.count("KdlibError") == 1 and said.splitlines()[-1] == "7"


def test_values_are_written_back_in_the_declared_types(notebook):
    assert run_cells(PARAMETERS.replace("epochs = 2", "epochs = 4.0"), USES, path=notebook).splitlines()[-1] == "4"


def test_a_value_below_its_least_is_told(notebook):
    uses = USES.replace("check_parameters()", "check_parameters(epochs=2)")
    assert uses != USES and "KdlibError" not in run_cells(PARAMETERS, uses, path=notebook)
    low = PARAMETERS.replace("epochs = 2", "epochs = -1")
    assert "epochs is -1: give 2 or more." in run_cells(low, uses, path=notebook)


def test_a_parameter_that_no_cell_uses_is_a_mistake(tmp_path):
    """As after JupyterLab saved the edited cell."""
    notebook = write_notebook(tmp_path / "tiny.ipynb", parameters=PARAMETERS + "epoch = 9  # for epoch in words")
    said = run_cells(PARAMETERS + "epoch = 9", USES, path=notebook)
    assert "No cell uses the parameter 'epoch': did you mean 'epochs'? If not, take its line out" in said


def test_without_a_file_the_cells_that_ran_declare():
    assert "KdlibError" not in run_cells(PARAMETERS, USES)
    assert "Parameter 'epochs' is '20'" in run_cells(PARAMETERS, "# Parameters\nepochs = '20'\n", USES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-p", "epoch", "3"], r"Unknown parameter of this notebook 'epoch': did you mean 'epochs'"),
        (["-p", "quiet", "false"], r"'quiet' is 'false': give true or false.*\(papermill: -y \"quiet: false\"\)"),
        (["-p", "alphas", "[0.5]"], r"Parameter 'alphas' is '\[0\.5\]'.*\(papermill: -y \"alphas: \[0\.5\]\"\)"),
        (["-y", "alphas: [0.5]", "-p", "lr", "1", "-p", "budget", "3"], None),
    ],
)  # fmt: skip
def test_plain_papermill(notebook, words, sentence):
    command = [sys.executable, "-m", "papermill", notebook, notebook.with_name("out.ipynb"), "--no-progress-bar"]
    done = subprocess.run([*command, *words], capture_output=True, text=True)
    assert (done.returncode == 0) == (sentence is None), done.stderr
    assert sentence is None or re.search(sentence, done.stderr)
    assert "unknown parameter: budget" not in done.stderr  # papermill's parser reads its annotation
    cells = json.loads(notebook.with_name("out.ipynb").read_text())["cells"]
    tracebacks = [o["traceback"] for c in cells for o in c.get("outputs", ()) if o["output_type"] == "error"]
    assert [len(lines) for lines in tracebacks] == [1] * (sentence is not None)


def test_papermill_reads_every_parameter(notebook):
    single = PARAMETERS.replace("[\n    1,\n    2.5,\n]", "[1, 2.5]")
    write_notebook(notebook, parameters=single)
    assert {*papermill.inspect_notebook(notebook)} >= {"epochs", "temperatures", "budget"}
