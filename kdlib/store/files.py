"""Where runs are kept: checkpoints while training, then last weights, logits and the record, written last.

    <store>/<key>/checkpoint.pt      while training
    <store>/<key>/weights.pt         last epoch
    <store>/<key>/logits.npz         held-out and test, at the last and the best held-out epoch
    <store>/<key>/record.json        the mark of a finished (or failed) run
    <store>/evaluations/<key>.json   what was measured on finished runs

Everything is written under another name and then renamed, so that a kill leaves the old file or the new one. Records
that were committed (reports/results/<key>.json; small teachers' weights and evaluations/ beside them) are read where
the store has none.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from kdlib.registry import KdlibError

SCHEMA = 2  # of records: 2 added all metrics, noise floors and bootstrap replicates
# A file that cannot be read for one of these reasons, or for want of memory, may be sound.
NOT_ITS_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EACCES, errno.EPERM}
EVALUATIONS = "evaluations"  # the folder, in the store and among the committed records


def repository() -> Path:
    """The checkout that kdlib is imported from; the store, notebooks and reports have their places in it."""
    root = Path(__file__).resolve().parents[2]
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
            except FileNotFoundError:  # another process has just set it aside
                pass
            except (ValueError, KeyError, TypeError):
                self.set_aside(key, "its record cannot be read")
        return self._committed_record(f"{key}.json")

    def _committed_record(self, name: str) -> dict | None:
        path = self.results / name if self.results else None
        if not path or not path.exists():
            return None
        try:
            return json.loads(path.read_text())
        except ValueError:
            raise _committed_damage(path) from None

    def keys(self) -> list[str]:
        """Keys of all runs in the store, finished or not, and of the committed records."""
        folders = {p.name for p in self.root.glob("*") if p.is_dir() and "." not in p.name} - {EVALUATIONS}
        committed = {p.stem for p in self.results.glob("*.json")} if self.results else set()
        return sorted(folders | committed)

    def save_record(self, record: dict) -> None:
        """Last of all: from now on the run is finished (or failed)."""
        key = record["key"]
        write_atomically(self.root / key / "record.json", lambda f: f.write(dump(record).encode()))
        for left in (self.root / key / "checkpoint.pt", *(self.root / key).glob("*.partial")):
            left.unlink(missing_ok=True)

    def set_aside(self, key: str, reason: str) -> None:
        """Moves a damaged run's folder out of the way, keeping it, so that the run is trained anew."""
        names = (f"{key}.damaged-{number}" for number in itertools.count())
        aside = next(name for name in names if not (self.root / name).exists())
        with contextlib.suppress(FileNotFoundError):  # another process did it
            (self.root / key).rename(self.root / aside)
            print(f"Run {key} is damaged ({reason}): set aside as {aside}, to be trained anew.", flush=True)

    def remove(self, key: str) -> None:
        shutil.rmtree(self.root / key, ignore_errors=True)

    # Evaluations -----------------------------------------------------------------------------------------------------

    def evaluation(self, key: str) -> dict | None:
        """The record of what was measured on finished runs, from the store or else the committed ones; None where there
        is none. A damaged one is as good as none: it is measured again from the logits."""
        try:
            return json.loads((self.root / EVALUATIONS / f"{key}.json").read_text())
        except (FileNotFoundError, ValueError):
            return self._committed_record(f"{EVALUATIONS}/{key}.json")

    def evaluation_keys(self) -> list[str]:
        """Of the evaluations in the store."""
        return sorted(path.stem for path in (self.root / EVALUATIONS).glob("*.json"))

    def save_evaluation(self, record: dict) -> None:
        write_atomically(self.root / EVALUATIONS / f"{record['key']}.json", lambda f: f.write(dump(record).encode()))

    # What a run leaves behind ----------------------------------------------------------------------------------------

    def save_outcome(self, key: str, weights: dict, logits: dict) -> None:
        """`weights` is a state dict; `logits` maps "<moment>_<split>" to float32 arrays (N, K)."""
        import numpy as np
        import torch

        weights = {name: value.contiguous().cpu() for name, value in weights.items()}
        write_atomically(self.root / key / "weights.pt", lambda f: torch.save(weights, f))
        write_atomically(self.root / key / "logits.npz", lambda f: np.savez(f, **logits))

    def weights(self, key: str) -> dict | None:
        """Last epoch's state dict, from the store or the committed ones; None where there is none."""
        state = self._read(key, "weights.pt", _load)
        committed = self._committed_weights(key)
        if state is not None or not committed:
            return state
        try:
            return _load(committed)
        except Exception:
            raise _committed_damage(committed) from None

    def has_weights(self, key: str) -> bool:
        return (self.root / key / "weights.pt").exists() or self._committed_weights(key) is not None

    def _committed_weights(self, key: str) -> Path | None:
        path = self.results / f"{key}.weights.pt" if self.results else None
        return path if path and path.exists() else None

    def logits(self, key: str) -> dict | None:
        """Arrays as `save_outcome` had them; None where the store has none."""
        import numpy as np

        def load(path: Path) -> dict:
            with np.load(path) as file:
                return dict(file)

        return self._read(key, "logits.npz", load)

    def _read(self, key: str, name: str, load: Callable[[Path], Any]) -> Any | None:
        """What `load` makes of the run's file; None where there is none, or it is damaged, and then set aside."""
        path = self.root / key / name
        if not path.exists():
            return None
        try:
            return load(path)
        except FileNotFoundError:  # another process has just removed it
            return None
        except Exception as error:  # of a damaged file, torch raises eight kinds
            if isinstance(error, MemoryError) or getattr(error, "errno", None) in NOT_ITS_FAULT:
                raise KdlibError(
                    f"{path} cannot be read now ({str(error) or 'out of memory'}): try again later."
                ) from None
            self.set_aside(key, f"its {path.stem} cannot be read")
            return None

    # While training --------------------------------------------------------------------------------------------------

    def save_checkpoint(self, key: str, state: Any) -> None:
        import torch

        write_atomically(self.root / key / "checkpoint.pt", lambda f: torch.save(state, f))

    def has_checkpoint(self, key: str) -> bool:
        return (self.root / key / "checkpoint.pt").exists()

    def checkpoint(self, key: str) -> Any | None:
        """The state as it was saved."""
        return self._read(key, "checkpoint.pt", _load)

    def epochs_done(self, key: str) -> int:
        """What the checkpoint says, without reading its tensors; 0 where it says nothing. Nothing is judged damaged
        here, since another process may be about to replace it."""
        try:
            return _load(self.root / key / "checkpoint.pt", mmap=True)["epoch"]
        except Exception:
            return 0

    def lock(self, key: str) -> FileLock:
        """Held while a process trains the run; raises filelock.Timeout where another one does."""
        return FileLock(self.root / f"{key}.lock", timeout=0)

    @contextlib.contextmanager
    def claim(self, keys: list[str], most: int) -> Iterator[set[str]]:
        """Locks up to `most` of the runs, those that no other process trains or has finished a moment ago, and yields
        their keys. A killed process's locks are free."""
        with contextlib.ExitStack() as stack:
            mine = set()
            for key in keys:
                if len(mine) == most:
                    break
                with contextlib.suppress(Timeout):
                    stack.enter_context(self.lock(key))
                    if not self._settled(key):
                        mine.add(key)
            yield mine

    def _settled(self, key: str) -> bool:
        """Whether there is nothing left to train; a record may be there and the weights not (a committed teacher)."""
        record = self.record(key)
        return record is not None and (record["status"] == "failed" or self.has_weights(key))


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


def _load(path: Path, mmap: bool = False) -> Any:
    import torch

    return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)


def _committed_damage(path: Path) -> KdlibError:
    return KdlibError(f"{path} is damaged: bring it back with git checkout.")


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """By rename: whoever reads sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with open(partial, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
