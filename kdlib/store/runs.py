"""Looking after runs: what `python -m kdlib runs` does with a store."""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pandas as pd
from filelock import Timeout

from kdlib.registry import KdlibError, unknown
from kdlib.run import Run
from kdlib.store.files import EVALUATIONS, Store, digest, dump

DEFAULTS = {f.name: f.default for f in fields(Run) if f.default is not MISSING}
TEACHER_BYTES = 2_000_000  # weights of teachers up to this size are exported, so that students can be added to them


def facts(store: Store, key: str) -> dict:
    """A run on one line: status, fields and terms of its spec, last epoch's accuracy and ECE."""
    record = store.record(key)
    if record is None:
        return {"key": key, "status": "training"}
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
    objective, teachers = spec.get("objective", [{"name": "cross_entropy", "weight": 1.0}]), spec.get("teachers", ())
    for prefix, term in _numbered((term["name"], term) for term in objective):
        flat |= {f"{prefix}.{name}": value for name, value in term.items() if name != "name"}
    for prefix, teacher in _numbered(("teacher", teacher) for teacher in teachers):
        flat |= {f"{prefix}.{name}": value for name, value in flatten(teacher).items()}
    return flat


def _numbered(named: Iterable[tuple[str, dict]]) -> Iterator[tuple[str, dict]]:
    """The second of one name is name2, and so on."""
    seen = Counter()
    for name, value in named:
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}{seen[name]}"), value


def select(store: Store, conditions: list[str]) -> list[dict]:
    """The runs for which every condition "NAME=VALUE" is true; a name may be the end of a longer one (temperature)."""
    rows = [facts(store, key) for key in store.keys()]
    known = {k for row in rows for k in row} | DEFAULTS.keys() if rows else set()
    for condition in conditions:
        name, equals, value = condition.partition("=")
        if not equals:
            raise KdlibError(f"'{condition}' is no condition: write NAME=VALUE, such as network=cnn2.")
        meant = {name} & known or {k for k in known if k.endswith(f".{name}")}
        if known and not meant:
            raise KdlibError(unknown("name of a condition", name, sorted(known)))
        rows = [row for row in rows if any(_same(_stated(row, k), value) for k in meant)]
    return rows


def _stated(row: dict, name: str):
    """A field that a spec leaves out has its default."""
    return row.get(name, DEFAULTS.get(name) if "network" in row else None)


def listing(rows: list[dict]) -> str:
    """The rows as a table; columns that say the same of every run are said once, above it."""
    if not rows:
        return "No runs."
    frame = pd.DataFrame([_compact(row) for row in rows])
    same = [c for c in frame if c != "key" and len(frame) > 1 and frame[c].nunique(dropna=False) == 1]
    head = [f"{len(frame)} runs, all with " + ", ".join(f"{c} {frame[c].iloc[0]}" for c in same)] if same else []
    return "\n".join([*head, frame.drop(columns=same).astype(object).fillna("").to_string(index=False)])


def _compact(row: dict) -> dict:
    """Without the parts of its terms and teachers, which `objective` and `teacher` say in short."""
    return {name: value for name, value in row.items() if "." not in name}


def _objective(spec: dict) -> str:
    """0.5 cross_entropy + 0.5 soft_cross_entropy(temperature 20)"""
    parts = []
    for term in spec.get("objective", [{"name": "cross_entropy", "weight": 1.0}]):
        options = ", ".join(f"{n} {v:g}" for n, v in term.items() if n not in ("name", "weight"))
        parts.append(f"{term['weight']:g} {term['name']}" + (f"({options})" if options else ""))
    return " + ".join(parts)


def find(store: Store, start: str) -> str:
    """The key that begins so."""
    keys = [key for key in store.keys() if key.startswith(start)]
    if len(keys) != 1:
        raise KdlibError(f"{len(keys)} runs have a key that begins with '{start}': see `python -m kdlib runs`.")
    return keys[0]


def show(store: Store, key: str) -> str:
    """The record for a person: what it is, what came out, where it comes from; the long lists left out."""
    record = _record(store, key)
    short = {name: record[name] for name in record if name not in ("history", "reliability", "confusion", "bootstrap")}
    return json.dumps(short | {"last epoch": record["history"][-1] if record["history"] else None}, indent=2)


def diff(store: Store, a: str, b: str) -> str:
    """Why two runs differ: first their specs, then where they were made."""
    left, right = (_record(store, key) for key in (a, b))
    lines = []
    parts = {
        "spec": lambda record: flatten(record["spec"]),
        "versions": lambda record: record.get("versions", {}),
        "data": lambda record: record["data"],
        "taught by": lambda record: record["taught_by"],
        "provenance": lambda record: record["provenance"],
    }
    for title, of in parts.items():
        one, other = of(left), of(right)
        names = [n for n in dict.fromkeys([*one, *other]) if one.get(n) != other.get(n)]
        lines += [f"{title}: the same"] if not names else [
            f"{title}:", *(f"  {n}: {one.get(n, 'default')} | {other.get(n, 'default')}" for n in names)]  # fmt: skip
    return "\n".join(lines)


def prune(store: Store) -> str:
    """Removes what no run needs: damaged runs that were set aside, and files half-written by processes that died."""
    damaged = [p for p in store.root.glob("*.damaged-*") if p.is_dir()]
    for folder in damaged:
        shutil.rmtree(folder)
    partial = 0
    for path in store.root.glob("*/*.partial"):
        with contextlib.suppress(Timeout), store.lock(path.parent.name):
            path.unlink(missing_ok=True)
            partial += 1
    return f"Removed {len(damaged)} damaged runs and {partial} half-written files."


def retry(store: Store, rows: list[dict]) -> str:
    """Forgets that those of the runs which failed did, so that the next `train` tries them again."""
    failed = [row["key"] for row in rows if row["status"] == "failed"]
    for key in failed:
        store.remove(key)
    return f"{len(failed)} failed runs will be tried again."


def export(store: Store, rows: list[dict], replace: bool = False) -> str:
    """Copies finished records into the committed results, with the weights of small teachers, and the table of all;
    then the records of what was measured on committed runs alone.

    A key that is there already stays, unless `replace`; its weights join it when it has become a teacher. Digits are
    never exported: made in a minute, and committed they would let the tests pass without training.
    """
    folder = store.results
    if folder is None:
        raise KdlibError("There is no folder to export to: $KDLIB_RESULTS is empty.")
    folder.mkdir(parents=True, exist_ok=True)
    records = [store.record(row["key"]) for row in rows if row["status"] == "finished" and row["data"] != "digits"]
    teachers = {key for record in records for key in record["taught_by"]}
    written = sum(_copy(record, folder, replace) for record in records)
    for record in records:
        if record["key"] in teachers:
            _copy_weights(store, record["key"], folder)
    committed = [facts(store, path.stem) for path in sorted(folder.glob("*.json"))]
    pd.DataFrame(committed).to_csv(folder / "runs.csv", index=False)
    evaluations = [found for found in map(store.evaluation, store.evaluation_keys()) if _all_there(found, folder)]
    measured = sum(_copy(found, folder / EVALUATIONS, replace) for found in evaluations)
    kept = len(records) + len(evaluations) - written - measured
    return f"{written} records and {measured} evaluations written to {folder}, {kept} kept as they were."


def _copy(record: dict, folder: Path, replace: bool) -> bool:
    """Whether it was written: one that is there already stays, unless `replace`."""
    target = folder / f"{record['key']}.json"
    if target.exists() and not replace:
        return False
    folder.mkdir(exist_ok=True)
    target.write_text(dump(record))
    return True


def _copy_weights(store: Store, key: str, folder: Path) -> None:
    """Only those that the committed record was made with: training again can give other bits."""
    path, kept = store.root / key / "weights.pt", json.loads((folder / f"{key}.json").read_text())
    small = path.exists() and path.stat().st_size <= TEACHER_BYTES
    if small and (weights := store.weights(key)) and digest(weights) == kept["weights"]:
        shutil.copyfile(path, folder / f"{key}.weights.pt")


def _all_there(evaluation: dict | None, folder: Path) -> bool:
    """Whether it can be read (a damaged one cannot) and all its members are committed."""
    return evaluation is not None and all((folder / f"{key}.json").exists() for key in evaluation["members"])


def _record(store: Store, key: str) -> dict:
    record = store.record(find(store, key))
    if record is None:
        raise KdlibError(f"Run {key} has no record yet: it is still in training.")
    return record


def _same(value, text: str) -> bool:
    try:
        return float(value) == float(text)
    except (TypeError, ValueError):
        return str(value) == text
