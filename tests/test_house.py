"""How the house is built: imports run downward only, and none but a study's own room names it."""

import ast
import importlib
import json
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

import kdlib

HOUSE = Path(kdlib.__file__).parent
# From the ground up; rooms of one floor may use one another, if not in a circle.
FLOORS = [
    {"lazy", "registry", "draws", "words", "cells"},
    {"places"},
    {"data", "models", "losses", "metrics"},
    {"augment", "objective", "run"},
    {"store"},
    {"training"},
    {"lookup", "evaluate"},
    {"intervals"},
    {"plots"},
    {"studies"},
    {"report", "bench"},
    {"__init__", "__main__"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
THIN = ("data", "models", "losses", "metrics")
FILES = sorted(HOUSE.rglob("*.py"))
STUDIES = (
    "imbalance_kd_calibration",
    "augmentation_ensemble",
    "label_enhancement",
    "alpha_temperature_grid",
    "compact_student",
)


def room(module):
    """The room of "kdlib.room.module"; that of kdlib itself is its door."""
    return module.split(".")[1] if "." in module else "__init__"


def names(path):
    """kdlib's modules that a file imports, anywhere in it, or names as a target "kdlib.module:attribute"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "kdlib":
            yield from (f"kdlib.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: import by the full name"
            yield node.module
        elif isinstance(node, ast.Constant) and str(node.value).startswith("kdlib.") and ":" in str(node.value):
            yield node.value.partition(":")[0]


@cache
def arrows():
    """(file, its room, a room that it uses) for every file of the house."""
    found = set()
    for path in FILES:
        own = path.relative_to(HOUSE).parts[0].removesuffix(".py")
        used = {room(module) for module in names(path) if module == "kdlib" or module.startswith("kdlib.")}
        found |= {(str(path.relative_to(HOUSE)), own, other) for other in used - {own}}
    return found


def test_every_room_has_its_floor():
    rooms = {path.relative_to(HOUSE).parts[0].removesuffix(".py") for path in FILES}
    assert rooms == set(FLOOR)


def test_imports_run_downward_only():
    upward = [f"{file} uses {other}" for file, own, other in sorted(arrows()) if FLOOR[other] > FLOOR[own]]
    assert not upward, "\n".join(upward)


def test_rooms_of_one_floor_use_one_another_in_no_circle():
    level = {(own, other) for _, own, other in arrows() if FLOOR[own] == FLOOR[other]}
    while level:
        bottom = {other for _, other in level} - {own for own, _ in level}
        assert bottom, f"a circle: {sorted(level)}"
        level = {(own, other) for own, other in level if other not in bottom}


def test_only_the_command_line_comes_in_by_the_door():
    """`import kdlib` reaches every room, so that no check would see which."""
    assert {file for file, _, other in arrows() if other == "__init__"} <= {"__main__.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_file_is_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


def test_only_its_own_room_names_a_study():
    """kdlib/studies/NAME.py, or a folder of that name."""
    texts = [path for pattern in ("*.py", "*.j2", "*.css", "*.js") for path in HOUSE.rglob(pattern)]
    own = {path: path.relative_to(HOUSE).parts[1].removesuffix(".py") for path in (HOUSE / "studies").rglob("*.py")}
    named = [
        f"{path.relative_to(HOUSE)} names {study}"
        for path in texts
        for study in STUDIES
        if study in path.read_text(encoding="utf-8") and own.get(path) != study
    ]
    assert not named, "\n".join(named)


def test_a_public_name_has_one_home():
    doors = [importlib.import_module(f"kdlib.{path.parent.name}") for path in HOUSE.glob("*/__init__.py")]
    homes = Counter(name for door in doors for name in getattr(door, "__all__", ()))
    assert [name for name, count in homes.items() if count > 1] == []


@pytest.mark.parametrize("thin", THIN)
def test_the_thin_library_has_few_names_at_its_door(thin):
    assert len(importlib.import_module(f"kdlib.{thin}").__all__) <= 16


USE = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
before = "torch" in sys.modules
[getattr(module, name) for name in module.__all__]
print(json.dumps([before, [name for name in sys.modules if name.startswith("kdlib.")]]))
"""


@pytest.mark.parametrize("thin", THIN)
def test_the_thin_library_is_usable_without_the_rest_and_its_door_opens_without_torch(thin):
    done = subprocess.run([sys.executable, "-c", USE, f"kdlib.{thin}"], capture_output=True, text=True, check=True)
    torch_at_the_door, modules = json.loads(done.stdout)
    below = set().union(*takewhile(lambda floor: "run" not in floor, FLOORS))
    assert not torch_at_the_door
    assert {room(module) for module in modules} <= below
