"""What help() shows of the thin library: shapes, errors, source, and an example that runs."""

import doctest
import inspect
import re

import pytest
import torch

from kdlib import data, lazy, losses, metrics, models
from kdlib.metrics import prior

DOORS = {losses: losses.__all__, metrics: metrics.__all__}
NAMES = [(room, name) for room, names in DOORS.items() for name in names] + [
    (metrics.scores, "third_accuracies"),
    (prior, "without_prior"),
]


def ran(found, globs):
    """How many examples of a docstring ran; none may fail."""
    runner = doctest.DocTestRunner(verbose=False)
    said = []
    for test in doctest.DocTestFinder(recurse=False).find(found, globs=dict(globs)):
        runner.run(test, out=said.append)
    results = runner.summarize(verbose=False)
    assert results.failed == 0, "".join(said)
    return results.attempted


@pytest.mark.parametrize("room", [data, losses, metrics, models], ids=lambda room: room.__name__)
def test_the_example_of_a_room_runs(room):
    assert ran(room, {})


def test_the_example_of_a_lazy_door_runs():
    assert ran(lazy.door, {"door": lazy.door})


@pytest.mark.parametrize("name", [*(n for n in data.__all__ if n != "datasets"), "build"])
def test_functions_of_data_and_networks_show_themselves(name):
    function = getattr(models if name == "build" else data, name)
    assert ran(function, {"torch": torch, name: function})


@pytest.mark.parametrize(("room", "name"), NAMES, ids=lambda value: getattr(value, "__name__", value))
def test_losses_and_metrics_say_what_they_take_whence_they_are_and_show_it(room, name):
    text = inspect.getdoc(getattr(room, name))
    assert re.search(r"\((B|N|R|K)\b", text), "no shape"
    assert "KdlibError" in text, "no error"
    assert re.search(r"\b(19|20)\d\d\b|\bours\b", text) or name == "accuracy", "no source"
    assert ran(getattr(room, name), {"torch": torch, name: getattr(room, name)})
