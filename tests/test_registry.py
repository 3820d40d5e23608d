"""The tables of names, and versions from source."""

import hashlib
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import kdlib
from kdlib.registry import KdlibError, Registry, source_hash, unknown

ROOT = Path(kdlib.__file__).resolve().parents[1]

# Runs the cells in IPython, as a notebook does, and prints what the last expression of each is.
NOTEBOOK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
results = [shell.run_cell(cell) for cell in json.loads(sys.argv[2])]
print("\\n" + json.dumps([r.result if r.error_in_exec is None else repr(r.error_in_exec) for r in results]))
"""

LOSS = """
@kdlib.terms.register("mine", teacher=True)
def mine(batch, student, teacher, *, strength=1.0):
    return strength * ((student.logits - teacher.logits) ** 2).mean()
key()
"""
NET = """
class Net:
    depth = 1
    def __init__(self, num_classes, channels, image_size):
        self.layers = [channels, num_classes]
kdlib.networks.register("net")(Net)
net_key()
"""
SETUP = """
import kdlib
from kdlib import Run, Term
teacher = Run(data="digits", network="resnet8", epochs=1)
def key():
    return Run(data="digits", network="cnn2", epochs=1, objective=[Term("mine")], teachers=[teacher]).key
def net_key():
    return Run(data="digits", network="net", epochs=1).key
"""


def in_a_notebook(*cells):
    command = [sys.executable, "-c", NOTEBOOK, ROOT, json.dumps([SETUP, *cells])]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])[1:]


def test_an_edited_cell_is_a_new_technique():
    keys = in_a_notebook(
        LOSS, "x = 1", LOSS, LOSS.replace(".mean()", ".sum()"), LOSS.replace("strength=1.0", "strength=2.0"),
        LOSS.replace("teacher=True", "teacher=True, features=True"), LOSS,
    )  # fmt: skip
    loss, _, same, other_body, other_default, other_options, back = keys
    assert loss == same == back
    assert len({loss, other_body, other_default, other_options}) == 4
    assert all(len(key) == 16 for key in {*keys} - {None})


def test_an_edited_class_is_a_new_technique():
    net, same, other_method, other_attribute, other_name, options, bare = in_a_notebook(
        NET, "y = 2\n" + NET, NET.replace("[channels,", "[channels, 8,"), NET.replace("depth = 1", "depth = 2"),
        NET.replace("self.layers", "self.stages"), NET.replace('"net"', '"net", width=3'),
        "class Bare(dict): pass\nkdlib.networks.register('bare')(Bare)",
    )  # fmt: skip
    assert net == same
    assert len({net, other_method, other_attribute, other_name, options}) == 5
    assert bare.startswith("KdlibError") and "source of Bare cannot be found: register it with version=1" in bare


def test_two_classes_of_one_cell_are_told_apart():
    pair = NET.replace("Net", "Other").replace("net_key()", "") + NET
    assert in_a_notebook(NET) == in_a_notebook(pair)


def test_a_technique_that_is_registered_anew_makes_new_runs_of_old_ones():
    held, before, after = in_a_notebook(
        LOSS + "\nheld = Run(data='digits', network='cnn2', epochs=1, objective=[Term('mine')], teachers=[teacher])",
        "held.key",
        LOSS.replace(".mean()", ".sum()") + "\nheld.key",
    )
    assert held is None
    assert before != after


def function(x):
    return x


class Class:
    def method(self):
        return function(self)


def test_source_hashes_are_those_of_the_text():
    assert source_hash(function) == hashlib.sha256(b"def function(x):\n    return x\n").hexdigest()[:12]
    text = b"class Class:\n    def method(self):\n        return function(self)"
    assert source_hash(Class) == hashlib.sha256(text).hexdigest()[:12]
    assert source_hash(function, {"a": 1}) != source_hash(function)
    assert source_hash(function, {"a": 1, "b": 2}) == source_hash(function, {"b": 2, "a": 1})
    # A function among the options counts by its own source, not by its place in memory.
    assert source_hash(function, {"state": Class}) == source_hash(function, {"state": Class})
    assert source_hash(function, {"state": Class}) != source_hash(function, {"state": function})


def test_without_source_a_version_is_asked_for():
    made = {}
    exec("def made(x): return x", made)
    for target in (made["made"], len):
        with pytest.raises(KdlibError, match="The source of (made|len) cannot be found: register it with version=1"):
            Registry("thing").register("it")(target)
        table = Registry("thing")
        table.register("it", version=1)(target)
        assert table["it"].load() is target


def test_names_lead_to_targets():
    table = Registry("thing")
    table.add("digest", "hashlib:sha256", depth=3)
    table.register("function", version=2)(function)
    assert table["digest"].load() is hashlib.sha256
    assert (table["digest"].version, table["digest"].options) == (1, {"depth": 3})
    assert (table["function"].load(), table["function"].version) == (function, 2)
    assert list(table) == ["digest", "function"]
    assert "digest" in table and "digests" not in table


def test_parameters_are_the_keyword_only_ones():
    assert kdlib.terms["kd"].parameters == {"temperature": 4.0}
    assert kdlib.terms["cross_entropy"].parameters == {}


@pytest.mark.parametrize("table", ["networks", "terms", "augmentations", "mixings", "datasets", "evaluations"])
def test_an_unknown_name_gets_the_nearest_and_all(table):
    table = getattr(kdlib, table)
    name = next(iter(table))
    with pytest.raises(KdlibError) as caught:
        table[name + "x"]
    known = ", ".join(table)
    assert str(caught.value) == f"Unknown {table.kind} '{name}x': did you mean '{name}'? Known: {known}."


def test_a_name_near_to_none_gets_all():
    assert unknown("fruit", "zzz", ["apple", "pear"]) == "Unknown fruit 'zzz': Known: apple, pear."


# How tables show themselves ------------------------------------------------------------------------------------------

TABLES = ["networks", "terms", "augmentations", "mixings", "datasets", "evaluations"]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_says_what_each_of_its_entries_is(name):
    table = getattr(kdlib, name)
    shown = repr(table)
    assert len(table) == len(list(table)) > 0
    for entry in (table[name] for name in table):
        assert f"{entry.name}(" in shown and len(entry.summary) > 10, f"'{entry.name}' has no docstring"
    assert all(len(line) <= 120 for line in shown.splitlines())
    room = importlib.import_module(table.room)
    assert getattr(room, name) is table and inspect.getdoc(room) in table.getdoc()


def test_a_table_shows_parameters_options_and_summary():
    assert "kd(temperature=4.0)  teacher=True\n    T^2 KL(" in repr(kdlib.terms)
    assert "cnn2(width=None)\n" in repr(kdlib.networks) and "resnet20()  depth=20\n" in repr(kdlib.networks)
    assert "digits()  num_classes=10, channels=1, size=8" in repr(kdlib.datasets)
    assert str(kdlib.mixings) == "mixing: none, mixup"
    assert kdlib.terms["kd"].getdoc().startswith("T^2 KL")


def documented(x, *, a="<"):
    """Is <it>
    in two lines.

    More.
    """


def test_a_table_in_a_notebook_takes_the_colours_of_its_theme():
    table = Registry("thing")
    table.register("mine", version=1, size=3)(documented)
    row = "<td>mine</td><td>a=&#x27;&lt;&#x27;</td><td>size=3</td><td>Is &lt;it&gt; in two lines.</td>"
    shown = table._repr_html_().replace(' style="text-align: left"', "")
    assert shown.count("<tr>") == 2 and f"<tr>{row}</tr>" in shown
    assert "color" not in shown and "style" not in shown


def test_the_names_of_loss_terms_are_shown_without_torch():
    code = "import sys, kdlib; repr(kdlib.terms), kdlib.networks['cnn2'].summary; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.split()


def test_names_are_completed_and_help_is_shown_in_a_notebook():
    complete = """
from IPython.core.completer import provisionalcompleter
def completed(text):
    with provisionalcompleter():
        return sorted(c.text for c in shell.Completer.completions(text, len(text)))
"""
    shown = """
import __main__; shell = get_ipython()
completed('kdlib.terms["k') + completed("kdlib.mix") + [shell.inspector.info(kdlib.terms)["docstring"][:15]]
"""
    _, found = in_a_notebook(complete, shown)
    assert found == ["kd", "mixings", "cross_entropy()"]


def test_a_name_that_is_none_gets_one_sentence():
    with pytest.raises(KdlibError, match=r'A loss term needs a name: write register\("mine"\) above it'):
        kdlib.terms.register(function)


def test_a_cell_may_run_again_but_none_takes_the_name_of_one_of_ours():
    ours, again = in_a_notebook(LOSS.replace('"mine"', '"kd"'), LOSS + LOSS)
    assert "'kd' is kdlib's own loss term: register yours under another name." in ours
    assert len(again) == 16


def test_what_does_not_take_what_it_is_called_with_gets_one_sentence():
    table = Registry("thing")
    table.add("it", function)
    assert table["it"].call("a thing takes x", 3) == 3
    with pytest.raises(KdlibError, match=r"'it' does not take .*'x'\): a thing takes x"):
        table["it"].call("a thing takes x")
