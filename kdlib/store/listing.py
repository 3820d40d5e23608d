"""Runs as texts for a person: a list, one run, and why two differ."""

import json

from kdlib.registry import KdlibError
from kdlib.store.queries import find, flatten
from kdlib.store.runs import Store
from kdlib.words import count

LONG = ("history", "reliability", "confusion", "bootstrap")  # parts of a record that nobody reads as text
PARTS = {  # of a record, in which two runs can differ
    "spec": lambda record: flatten(record["spec"]),
    "versions": lambda record: record.get("versions", {}),
    "data": lambda record: record["data"],
    "taught by": lambda record: record["taught_by"],
    "provenance": lambda record: record["provenance"],
}


def listing(rows: list[dict], limit: int = 0) -> str:
    """The rows as a table, the first `limit` of them (0: all); columns that say the same of every run are said once,
    above it."""
    import pandas as pd

    if not rows:
        return "No runs."
    frame = pd.DataFrame([_compact(row) for row in rows])
    same = [c for c in frame if c != "key" and len(rows) > 1 and frame[c].nunique(dropna=False) == 1]
    shown = frame.drop(columns=same).head(limit or len(rows)).astype(object).fillna("")
    common = ", ".join(f"{column} {frame[column].iloc[0]}" for column in same)
    head = [f"{count(len(rows), 'run')}, all with {common}"] if same else []
    more = [f"… and {len(rows) - len(shown)} more: --limit 0 shows all."] if len(shown) < len(rows) else []
    return "\n".join([*head, shown.to_string(index=False), *more])


def show(store: Store, key: str) -> str:
    """The record of the run whose key begins so: what it is, what came out, where it comes from; without long lists."""
    record = _record(store, key)
    short = {name: value for name, value in record.items() if name not in LONG}
    return json.dumps(short | {"last epoch": record["history"][-1] if record["history"] else None}, indent=2)


def diff(store: Store, a: str, b: str) -> str:
    """Why two runs differ: first their specs, then where they were made."""
    left, right = _record(store, a), _record(store, b)
    return "\n".join(line for title, of in PARTS.items() for line in _differences(title, of(left), of(right)))


def _differences(title: str, one: dict, other: dict) -> list[str]:
    names = [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
    lines = [f"  {name}: {one.get(name, 'default')} | {other.get(name, 'default')}" for name in names]
    return [f"{title}:", *lines] if lines else [f"{title}: the same"]


def _compact(row: dict) -> dict:
    """Without the parts of its terms and teachers, which `objective` and `teacher` say in short."""
    return {name: value for name, value in row.items() if "." not in name}


def _record(store: Store, start: str) -> dict:
    key = find(store, start)
    record = store.record(key)
    if record is None:
        raise KdlibError(f"Run {key} has no record yet: it is still in training.")
    return record
