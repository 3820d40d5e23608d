"""What was measured on finished runs: <store>/evaluations/<key>.json, or else the committed ones."""

import contextlib

from kdlib.store import committed, files
from kdlib.store.runs import EVALUATIONS, Store


def keys(store: Store) -> list[str]:
    """Of the evaluations in the store."""
    return sorted(path.stem for path in (store.root / EVALUATIONS).glob("*.json"))


def load(store: Store, key: str) -> dict | None:
    """The record of an evaluation; None where there is none. A damaged one in the store is as good as none: it is
    measured again from the logits."""
    name = f"{EVALUATIONS}/{key}.json"
    with contextlib.suppress(files.DamagedError):
        if found := files.read(store.root / name, files.load_json):
            return found
    return committed.read(store.results, name, files.load_json)


def save(store: Store, record: dict) -> None:
    files.write_record(store.root / EVALUATIONS / f"{record['key']}.json", record)
