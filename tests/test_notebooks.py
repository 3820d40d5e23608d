"""What every notebook of the repository keeps to."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

import kdlib
from kdlib.report import check, declared
from kdlib.report.execute import profiles
from kdlib.report.markdown import Renderer
from kdlib.report.parameters import from_file

ROOT = Path(kdlib.__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROFILES = sorted((ROOT / "notebooks" / "profiles").glob("*/*.yaml"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_is_a_notebook():
    assert NOTEBOOKS


@every_notebook
def test_is_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    assert all(set(cell.metadata) <= {"tags", "jupyter", "alt"} for cell in notebook.cells)
    if nbstripout := shutil.which("nbstripout", path=str(Path(sys.executable).parent)):
        done = subprocess.run([nbstripout, "--verify", "--keep-id", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@every_notebook
def test_can_be_executed_with_parameters(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3" and notebook.metadata.kernelspec.language == "python"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [c for c in code if "parameters" in c.metadata.get("tags", ())] == code[:1]
    assert declared(path)
    assert "check_parameters()" in code[1].source


@every_notebook
def test_parameters_say_what_they_mean(path):
    assert not [p.name for p in declared(path).values() if not p.meaning]


@every_notebook
def test_formulas_can_be_drawn_without_a_network(path):
    renderer = UnreadFormulas()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
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


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_profile_fits_its_notebook(path):
    notebook = ROOT / "notebooks" / f"{path.stem}.ipynb"
    values = from_file(path)
    assert check(notebook, values) == values
    assert values == yaml.safe_load(path.read_text())  # `papermill -f` reads YAML 1.1
    assert profiles(notebook)[path.parent.name] == path
