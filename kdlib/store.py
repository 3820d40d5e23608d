"""Where runs are kept: checkpoints while training, then last weights, logits and the record, written last.

    <store>/<key>/checkpoint.pt   while training
    <store>/<key>/weights.pt      last epoch
    <store>/<key>/logits.npz      held-out and test, at the last and the best held-out epoch
    <store>/<key>/record.json     the mark of a finished (or failed) run

Everything is written under another name and then renamed, so that a kill leaves the old file or the new one. Records
that were committed (reports/results/<key>.json, small teachers' weights beside them) are read where the store has none.
"""

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kdlib.registry import KdlibError

SCHEMA = 1


def repository() -> Path:
    """The checkout that kdlib is imported from; the store, notebooks and reports have their places in it."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "notebooks").is_dir():
        raise KdlibError("kdlib is not running from its checkout: set $KDLIB_STORE to the folder that shall hold runs.")
    return root


class Store:
    """Runs on disk under `root` ($KDLIB_STORE, else runs/ in the checkout); `results` holds the committed records
    ($KDLIB_RESULTS, else reports/results/ in the checkout; empty: none)."""

    def __init__(self, root: Path | str | None = None, results: Path | str | None = None):
        root = root or os.environ.get("KDLIB_STORE") or repository() / "runs"
        results = os.environ.get("KDLIB_RESULTS") if results is None else results
        self.root = Path(root).resolve()
        self.results = repository() / "reports" / "results" if results is None else Path(results) if results else None

    def check_writable(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.root).close()
        except OSError as error:
            raise KdlibError(
                f"The store {self.root} cannot be written ({error.strerror}): set $KDLIB_STORE to a folder that can."
            ) from None

    # Records ---------------------------------------------------------------------------------------------------------

    def record(self, key: str) -> dict | None:
        """The run's record, from the store or else the committed ones; None where there is none. A damaged run is set
        aside, and said."""
        path = self.root / key / "record.json"
        if path.exists():
            try:
                record = json.loads(path.read_text())
                if record["key"] == key and record["status"] in ("finished", "failed"):
                    return record
                self.set_aside(key, "its record belongs to another run")
            except (ValueError, KeyError, TypeError):
                self.set_aside(key, "its record cannot be read")
        committed = self.results / f"{key}.json" if self.results else None
        return json.loads(committed.read_text()) if committed and committed.exists() else None

    def keys(self) -> list[str]:
        """Keys of all runs in the store, finished or not, and of the committed records."""
        folders = {p.name for p in self.root.glob("*") if p.is_dir() and "." not in p.name}
        committed = {p.stem for p in self.results.glob("*.json")} if self.results else set()
        return sorted(folders | committed)

    def save_record(self, record: dict) -> None:
        """Last of all: from now on the run is finished (or failed)."""
        key = record["key"]
        _write(self.root / key / "record.json", lambda f: f.write(dump(record).encode()))
        (self.root / key / "checkpoint.pt").unlink(missing_ok=True)

    def set_aside(self, key: str, reason: str) -> None:
        """Moves a damaged run's folder out of the way, keeping it, so that the run is trained anew."""
        folder = self.root / key
        number = sum(1 for _ in self.root.glob(f"{key}.damaged-*"))
        folder.rename(self.root / f"{key}.damaged-{number}")
        print(f"Run {key} is damaged ({reason}): set aside as {key}.damaged-{number}, to be trained anew.", flush=True)

    def remove(self, key: str) -> None:
        shutil.rmtree(self.root / key, ignore_errors=True)

    # What a run leaves behind ----------------------------------------------------------------------------------------

    def save_outcome(self, key: str, weights: dict, logits: dict) -> None:
        """`weights` is a state dict; `logits` maps "<moment>_<split>" to float32 arrays (N, K)."""
        import numpy as np
        import torch

        weights = {name: value.contiguous().cpu() for name, value in weights.items()}
        _write(self.root / key / "weights.pt", lambda f: torch.save(weights, f))
        _write(self.root / key / "logits.npz", lambda f: np.savez(f, **logits))

    def weights(self, key: str) -> dict | None:
        """Last epoch's state dict, from the store or the committed ones; None where there is none."""
        import torch

        for path in self._places(key, "weights.pt"):
            try:
                return torch.load(path, map_location="cpu", weights_only=True)
            except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile):
                if path.parent != self.root / key:
                    raise KdlibError(f"{path} is damaged: bring it back with git checkout.") from None
                self.set_aside(key, "its weights cannot be read")
        return None

    def logits(self, key: str) -> dict | None:
        """Arrays as `save_outcome` had them; None where the store has none."""
        import numpy as np

        path = self.root / key / "logits.npz"
        if not path.exists():
            return None
        try:
            with np.load(path) as file:
                return dict(file)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            self.set_aside(key, "its logits cannot be read")
            return None

    def _places(self, key: str, name: str) -> list[Path]:
        places = [self.root / key / name] + ([self.results / f"{key}.{name}"] if self.results else [])
        return [p for p in places if p.exists()]

    # While training --------------------------------------------------------------------------------------------------

    def save_checkpoint(self, key: str, state: Any) -> None:
        import torch

        _write(self.root / key / "checkpoint.pt", lambda f: torch.save(state, f))

    def has_checkpoint(self, key: str) -> bool:
        return (self.root / key / "checkpoint.pt").exists()

    def checkpoint(self, key: str) -> Any | None:
        import torch

        path = self.root / key / "checkpoint.pt"
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile):
            self.set_aside(key, "its checkpoint cannot be read")
            return None

    @contextlib.contextmanager
    def claim(self, keys: list[str], most: int) -> Iterator[set[str]]:
        """Locks up to `most` of the runs, those that no other process has and that have no record, and yields their
        keys. A killed process's locks are free."""
        with contextlib.ExitStack() as stack:
            mine = set()
            for key in keys:
                if len(mine) == most:
                    break
                lock = FileLock(self.root / f"{key}.lock", timeout=0)
                with contextlib.suppress(Timeout):
                    stack.enter_context(lock)
                    if self.record(key) is None:  # another process may have finished it a moment ago
                        mine.add(key)
            yield mine


def dump(record: dict) -> str:
    """A record as text: strict JSON, sorted, so that the same record is the same file."""
    return json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"


def digest(weights: dict) -> str:
    """16 hex digits of the SHA-256 of a state dict's values: two networks with it are the same network."""
    sha = hashlib.sha256()
    for name, value in weights.items():
        sha.update(name.encode())
        sha.update(value.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()[:16]


def _write(path: Path, write) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with open(partial, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
