"""The files of each run, by its key.

    <store>/<key>/checkpoint.pt   while training
    <store>/<key>/weights.pt      last epoch
    <store>/<key>/logits.npz      held-out and test, at the last and the best held-out epoch
    <store>/<key>/record.json     the mark of a finished (or failed) run, written last

What torch writes is opaque here: kdlib.training.weights knows it.
"""

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from kdlib.places import ROOT, in_checkout, named
from kdlib.registry import KdlibError
from kdlib.store import committed, files

# Of records. 1: the first. 2: all metrics, noise floors and bootstrap replicates. A record of an older schema is made
# anew from the store's logits, where they are.
SCHEMA = 2
STATUSES = ("finished", "failed")  # of records; a run in training has none

RECORD, WEIGHTS, LOGITS, CHECKPOINT = "record.json", "weights.pt", "logits.npz", "checkpoint.pt"
EVALUATIONS = "evaluations"  # the folder, in the store and among the committed records


class Store:
    """Runs on disk under `root` ($KDLIB_STORE, else runs/ in the checkout); `results` is the folder of the committed
    records ($KDLIB_RESULTS, else reports/results/ in the checkout; empty: none)."""

    def __init__(self, root: Path | str | None = None, results: Path | str | None = None):
        self.root = Path(root).expanduser().resolve() if root else _default_root()
        self.results = _default_results() if results is None else _folder(results)

    def check_writable(self) -> None:
        """Makes the folder; KdlibError where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.root).close()
        except OSError as error:
            raise KdlibError(
                f"The store {self.root} cannot be written ({error.strerror}): set $KDLIB_STORE to a folder that can."
            ) from None

    def keys(self) -> list[str]:
        """Of all runs in the store, finished or not, and of the committed records."""
        folders = {path.name for path in self.root.glob("*") if path.is_dir() and "." not in path.name}
        return sorted(folders - {EVALUATIONS} | committed.keys(self.results))

    def path(self, key: str, name: str) -> Path:
        return self.root / key / name

    def has(self, key: str, name: str) -> bool:
        """Whether the store or the committed results have that file of the run."""
        return self.path(key, name).exists() or committed.has(self.results, _committed_name(key, name))

    def read(self, key: str, name: str, load: Callable[[Path], Any]) -> Any | None:
        """What `load` makes of that file of the run, from the store or else the committed results; None where there is
        none. A damaged run is set aside, and said."""
        try:
            found = files.read(self.path(key, name), load)
        except files.DamagedError as damage:
            self.set_aside(key, str(damage))
            found = None
        return found if found is not None else committed.read(self.results, _committed_name(key, name), load)

    def write(self, key: str, name: str, write: Callable[[BinaryIO], Any]) -> None:
        files.write_atomically(self.path(key, name), write)

    def record(self, key: str) -> dict | None:
        return self.read(key, RECORD, partial(_load_record, key))

    def save_record(self, record: dict) -> None:
        """Last of all: from now on the run is finished (or failed)."""
        folder = self.root / record["key"]
        files.write_record(folder / RECORD, record)
        for left in (folder / CHECKPOINT, *folder.glob("*.partial")):
            left.unlink(missing_ok=True)

    def logits(self, key: str) -> dict | None:
        """Arrays (N, K) by "<moment>_<split>", float32, or float16 where committed; None where there are none."""
        return self.read(key, LOGITS, _load_arrays)

    def save_logits(self, key: str, logits: dict) -> None:
        import numpy as np

        self.write(key, LOGITS, lambda file: np.savez(file, **logits))

    def has_weights(self, key: str) -> bool:
        return self.has(key, WEIGHTS)

    def has_checkpoint(self, key: str) -> bool:
        return self.has(key, CHECKPOINT)

    def set_aside(self, key: str, reason: str) -> None:
        """Moves a damaged run's folder out of the way, keeping it, so that the run is trained anew."""
        names = (f"{key}.damaged-{number}" for number in itertools.count())
        aside = next(name for name in names if not (self.root / name).exists())
        with contextlib.suppress(FileNotFoundError):  # another process did it
            (self.root / key).rename(self.root / aside)
            print(f"Run {key} is damaged ({reason}): set aside as {aside}, to be trained anew.", flush=True)

    def remove(self, key: str) -> None:
        shutil.rmtree(self.root / key, ignore_errors=True)


def _folder(path: Path | str) -> Path | None:
    """Empty: none."""
    return Path(path).expanduser() if path else None


def _default_root() -> Path:
    if place := named("KDLIB_STORE"):
        return place
    if not in_checkout():
        raise KdlibError("kdlib is not running from its checkout: set $KDLIB_STORE to the folder that shall hold runs.")
    return ROOT / "runs"


def _default_results() -> Path | None:
    """An installed package comes without records, so none are looked for."""
    if "KDLIB_RESULTS" in os.environ:
        return named("KDLIB_RESULTS")
    return ROOT / "reports" / "results" if in_checkout() else None


def _committed_name(key: str, name: str) -> str:
    return f"{key}.json" if name == RECORD else f"{key}.{name}"


def _load_record(key: str, path: Path) -> dict:
    record = files.load_json(path)
    if record["key"] != key or record["status"] not in STATUSES:
        raise files.DamagedError("its record belongs to another run")
    return record


def _load_arrays(path: Path) -> dict:
    import numpy as np

    with np.load(path) as arrays:
        return dict(arrays)
