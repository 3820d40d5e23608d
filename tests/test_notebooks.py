"""What every notebook of the repository keeps to."""

import ast
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml

import kdlib
from kdlib.report import check, declared
from kdlib.report.declaration import TAG
from kdlib.report.markdown import Renderer
from kdlib.report.notebook import profiles
from kdlib.report.values import from_file

ROOT = Path(kdlib.__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROFILES = sorted((ROOT / "notebooks" / "profiles").glob("*/*.yaml"))
MOST_LINES = {"alpha_temperature_grid": 190, "imbalance_kd_calibration": 340}  # of code in a notebook
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}  # as JupyterLab writes it

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def is_parameters(cell):
    return "parameters" in cell.metadata.get("tags", ())


def test_there_is_a_notebook():
    assert NOTEBOOKS


# Files ----------------------------------------------------------------------------------------------------------------


@every_notebook
def test_is_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.outputs or cell.execution_count for cell in cells(path))
    assert notebook.metadata == {"kernelspec": KERNEL}
    assert all(set(cell.metadata) <= {"tags", "jupyter", "alt"} for cell in notebook.cells)
    if nbstripout := shutil.which("nbstripout", path=str(Path(sys.executable).parent)):
        done = subprocess.run([nbstripout, "--verify", "--keep-id", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@every_notebook
def test_code_is_folded_in_jupyterlab_but_for_the_parameters(path):
    hidden = [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in cells(path)]
    assert hidden == [not is_parameters(cell) for cell in cells(path)]


# Parameters and declaration -------------------------------------------------------------------------------------------


@every_notebook
def test_can_be_executed_with_parameters(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    code = cells(path)
    assert [cell for cell in code if is_parameters(cell)] == code[:1]
    assert declared(path)
    assert "check_parameters(" in code[1].source


@every_notebook
def test_a_notebook_that_trains_has_a_cell_that_ends_the_declaration(path):
    trains = any("kdlib.train(" in cell.source for cell in cells(path))
    tagged = [cell for cell in cells(path) if TAG in cell.metadata.get("tags", ())]
    assert len(tagged) == trains
    for cell in tagged:
        assert "declared" in {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}


@every_notebook
def test_what_is_declared_is_known_without_torch(path):
    """So that a bad value fails at once."""
    code = "import sys\nfrom kdlib.report.declaration import declaration\nfrom kdlib.report.jobs import plan\n"
    code += f"declaration(plan([{str(path)!r}], 'digits')[0])\nprint({{'torch', 'matplotlib'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stdout + done.stderr


@every_notebook
def test_parameters_say_what_they_mean(path):
    assert not [p.name for p in declared(path).values() if not p.meaning]


@every_notebook
def test_papermill_reads_every_parameter(path):
    assert [*papermill.inspect_notebook(path)] == [*declared(path)]


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_profile_fits_its_notebook(path):
    notebook = ROOT / "notebooks" / f"{path.stem}.ipynb"
    values = from_file(path)
    assert check(notebook, values) == values
    assert values == yaml.safe_load(path.read_text())  # `papermill -f` reads YAML 1.1
    assert profiles(notebook)[path.parent.name] == path


# To be read as a paper ------------------------------------------------------------------------------------------------


@every_notebook
def test_code_is_short(path):
    sizes = [len(lines(cell)) for cell in cells(path) if not is_parameters(cell)]
    assert sum(len(lines(cell)) for cell in cells(path)) <= MOST_LINES.get(path.stem, 250)
    assert statistics.median(sizes) <= 8 and max(sizes) <= 25
    assert max(len(line) for cell in cells(path) for line in lines(cell)) <= 100  # as notebooks/ruff.toml has it


@every_notebook
def test_there_are_four_words_to_a_line_of_code(path):
    words = sum(len(re.findall(r"\w+", cell.source)) for cell in cells(path, "markdown"))
    assert words >= 4 * sum(len(lines(cell)) for cell in cells(path))


@every_notebook
def test_every_cell_begins_with_what_it_makes(path):
    unsaid = [cell.source for cell in cells(path) if not is_parameters(cell) and not cell.source.startswith("# ")]
    assert not unsaid


# Formulas -------------------------------------------------------------------------------------------------------------


@every_notebook
def test_formulas_can_be_drawn_without_a_network(path):
    renderer = UnreadFormulas()
    for cell in cells(path, "markdown"):
        renderer.convert(cell.source)
    assert renderer.title and not renderer.unread


class UnreadFormulas(Renderer):
    def __init__(self):
        super().__init__()
        self.unread = []

    def inline_math(self, body):
        return self._noted(super().inline_math(body))

    def block_math(self, body):
        return self._noted(super().block_math(body))

    def _noted(self, html):
        self.unread += [html] * html.startswith("<code>")
        return html
