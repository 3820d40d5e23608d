"""Runs by condition or by the beginning of their key, as flat rows."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from typing import Any

from kdlib.augment import augmentations, mixings
from kdlib.data import datasets
from kdlib.models import networks
from kdlib.registry import KdlibError, unknown
from kdlib.run import PRECISIONS, SCHEDULES, Run
from kdlib.store.runs import STATUSES, Store

IN_TRAINING = "training"  # the status of a run that has no record yet
DEFAULTS = {f.name: f.default for f in fields(Run) if f.default is not MISSING}
KNOWN_VALUES = {
    "status": (*STATUSES, IN_TRAINING),
    "data": datasets,
    "network": networks,
    "augmentation": augmentations,
    "mixing": mixings,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
}


def facts(key: str, record: dict | None) -> dict:
    """A run on one line: status, fields and terms of its spec, last epoch's accuracy and ECE."""
    if record is None:
        return {"key": key, "status": IN_TRAINING}
    spec = record["spec"]
    short = {"objective": _objective(spec), "teacher": ", ".join(t["network"] for t in spec.get("teachers", ()))}
    row = {"key": key, "status": record["status"], **flatten(spec), **short}
    if record["status"] == "finished":
        raw = record["metrics"]["last"]["raw"]
        row |= {"accuracy": round(raw["accuracy"], 4), "ece": round(raw["ece"], 4)}
    return row


def flatten(spec: dict) -> dict:
    """A spec without nesting: {"network": "cnn2", "kd.weight": 0.9, "teacher.network": "resnet20", ...}."""
    flat = {name: value for name, value in spec.items() if name not in ("objective", "teachers")}
    for prefix, term in _numbered((term["name"], term) for term in _terms(spec)):
        flat |= {f"{prefix}.{name}": value for name, value in term.items() if name != "name"}
    for prefix, teacher in _numbered(("teacher", teacher) for teacher in spec.get("teachers", ())):
        flat |= {f"{prefix}.{name}": value for name, value in flatten(teacher).items()}
    return flat


def select(store: Store, conditions: Iterable[str] = ()) -> list[dict]:
    """The runs for which every condition "NAME=VALUE" is true; a name may be the end of a longer one (temperature).
    KdlibError on a name that no run has, and on the name of a status, network, ... that does not exist."""
    rows = [facts(key, store.record(key)) for key in store.keys()]
    if not rows:
        return []
    known = {name for row in rows for name in row} | DEFAULTS.keys()
    for name, value in map(_condition, conditions):
        meant = _meant(name, known)
        _check_value(name, value, {row[column] for row in rows for column in meant if column in row})
        rows = [row for row in rows if any(_same(_stated(row, column), value) for column in meant)]
    return rows


def find(store: Store, start: str) -> str:
    """The key that begins so."""
    keys = [key for key in store.keys() if key.startswith(start)]
    if len(keys) != 1:
        raise KdlibError(f"{len(keys)} runs have a key that begins with '{start}': see `python -m kdlib runs`.")
    return keys[0]


def _terms(spec: dict) -> list[dict]:
    return spec.get("objective", [{"name": "cross_entropy", "weight": 1.0}])


def _objective(spec: dict) -> str:
    """0.5 cross_entropy + 0.5 soft_cross_entropy(temperature 20)"""
    return " + ".join(map(_term, _terms(spec)))


def _term(term: dict) -> str:
    options = ", ".join(f"{name} {value:g}" for name, value in term.items() if name not in ("name", "weight"))
    return f"{term['weight']:g} {term['name']}" + (f"({options})" if options else "")


def _numbered(named: Iterable[tuple[str, dict]]) -> Iterator[tuple[str, dict]]:
    """The second of one name is name2, and so on."""
    seen = Counter()
    for name, value in named:
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}{seen[name]}"), value


def _condition(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise KdlibError(f"'{text}' is no condition: write NAME=VALUE, such as network=cnn2.")
    return name, value


def _meant(name: str, known: set[str]) -> set[str]:
    """The columns that a name means: itself, or else all that end so."""
    meant = {name} & known or {column for column in known if column.endswith(f".{name}")}
    if not meant:
        raise KdlibError(unknown("name of a condition", name, sorted(known)))
    return meant


def _check_value(name: str, value: str, found: set) -> None:
    """Own techniques are registered in a notebook and not here: what runs have is known, too."""
    kind = name.rpartition(".")[2]
    if kind in KNOWN_VALUES and value not in (known := [*dict.fromkeys([*KNOWN_VALUES[kind], *sorted(found)])]):
        raise KdlibError(unknown(kind, value, known))


def _stated(row: dict, name: str) -> Any:
    """A field that a spec leaves out has its default."""
    return row.get(name, DEFAULTS.get(name) if "network" in row else None)


def _same(value: Any, text: str) -> bool:
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return str(value) == text
