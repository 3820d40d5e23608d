"""What a parameters cell declares, and whether values fit."""

import pytest
from written import write_notebook

from kdlib import report
from kdlib.registry import KdlibError
from kdlib.report.jobs import plan
from kdlib.report.parameters import declared, parse


@pytest.fixture
def notebook(tmp_path):
    return write_notebook(tmp_path / "tiny.ipynb")


def test_declared_reads_names_defaults_types_and_comments(notebook):
    known = declared(notebook)
    assert {name: (p.default, p.kind) for name, p in known.items()} == {
        "epochs": (2, int),
        "lr": (0.1, float),
        "alphas": ([0.1, 1], list[float]),
        "temperatures": ([1.0, 2.5], list[float]),
        "data": ("digits", str),
        "quiet": (False, bool),
        "budget": (None, float | None),
    }
    meanings = [known[name].meaning for name in ("epochs", "lr", "temperatures")]
    assert meanings == ["passes over the data", "", "of the soft labels"]


def test_a_default_of_none_allows_none():
    kinds = {name: p.kind for name, p in parse("a: int = None\nb: int | None = None\nc: int | None = 3").items()}
    assert kinds == dict.fromkeys("abc", int | None)


def test_values_come_in_the_declared_types(notebook):
    given = report.check(notebook, {"epochs": 3.0, "lr": 1, "budget": 30, "alphas": [1]})
    assert given == {"epochs": 3, "lr": 1.0, "budget": 30.0, "alphas": [1.0]}
    assert [type(given[name]) for name in ("epochs", "lr", "budget")] == [int, float, float]
    assert report.check(notebook, {"budget": None}) == {"budget": None}


@pytest.mark.parametrize(
    "argument, sentence",
    [
        ("epoch=3", r"Unknown parameter of tiny 'epoch': did you mean 'epochs'\? Known: epochs, lr, "),
        ("epochs=many", r"Parameter 'epochs' is 'many': give a whole number, such as 2\."),
        ("epochs=2.5", r"Parameter 'epochs' is 2\.5: give a whole number"),
        ("epochs=true", r"Parameter 'epochs' is True: give a whole number"),
        ("lr=.inf", r"Parameter 'lr' is inf: give a number, such as 0\.1\."),
        ("alphas=0.1", r"Parameter 'alphas' is 0\.1: give a list of numbers, such as \[0\.1, 1\]\."),
        ("alphas=[0.1, x]", r"Parameter 'alphas' is \[0\.1, 'x'\]: give a list of numbers"),
        ("quiet=no", r"Parameter 'quiet' is 'no': give true or false, such as false\."),
        ("data=7", r"Parameter 'data' is 7: give a text, such as \"digits\"\."),
        ("budget=long", r"Parameter 'budget' is 'long': give a number or null\."),
        ("epochs", r"'epochs' sets no parameter: write NAME=VALUE"),
        ("alphas=[0.1", r"The value of 'alphas' cannot be read"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(notebook, argument, sentence):
    with pytest.raises(KdlibError, match=sentence):
        plan([str(notebook)], "digits", [argument])


@pytest.mark.parametrize(
    "source", ["epochs = int(3)", "a, b = 1, 2", "import os", "epochs: int = 'x'", "x: bad = 1", "x ="]
)
def test_a_parameters_cell_is_plain_assignments(source):
    with pytest.raises(KdlibError, match="Parameter"):
        parse(source)


def test_a_damaged_notebook_gets_one_sentence(tmp_path):
    (tmp_path / "bad.ipynb").write_text("{")
    with pytest.raises(KdlibError, match="cannot be read as a notebook"):
        plan([str(tmp_path / "bad.ipynb")], "digits", [])
