"""Looking after a store: removing what no run needs, trying failed runs again, exporting records."""

import contextlib
import shutil
import zipfile
from pathlib import Path

from filelock import Timeout

from kdlib.registry import KdlibError
from kdlib.store import committed, evaluations, files
from kdlib.store.locks import lock
from kdlib.store.queries import facts
from kdlib.store.runs import EVALUATIONS, RECORD, WEIGHTS, Store
from kdlib.words import count

TEACHER_BYTES = 2_000_000  # weights of teachers up to this size are exported, so that students can be added to them


def prune(store: Store) -> str:
    """Removes what no run needs: damaged runs that were set aside, and files half-written by processes that died."""
    damaged = [path for path in store.root.glob("*.damaged-*") if path.is_dir()]
    for folder in damaged:
        shutil.rmtree(folder)
    removed = sum(_remove_partial(store, path) for path in store.root.glob("*/*.partial"))
    return f"Removed {count(len(damaged), 'damaged run')} and {count(removed, 'half-written file')}."


def _remove_partial(store: Store, path: Path) -> bool:
    """False where another process may be writing it."""
    with contextlib.suppress(Timeout), lock(store, path.parent.name):
        path.unlink(missing_ok=True)
        return True
    return False


def retry(store: Store, rows: list[dict]) -> str:
    """Forgets that those of the runs which failed did, so that the next `train` tries them again."""
    failed = [row["key"] for row in rows if row["status"] == "failed"]
    for key in failed:
        store.remove(key)
    return f"{count(len(failed), 'failed run')} will be tried again."


def export(store: Store, rows: list[dict], folder: Path | None = None, replace: bool = False) -> str:
    """Copies finished records into `folder` (None: the committed results), with the weights of small teachers, and the
    table of all; then the records of what was measured on runs that are all there.

    A key that is there already stays, unless `replace`; its weights join it when it has become a teacher. Digits are
    never exported: made in a minute, and committed they would let the tests pass without training.
    """
    folder = folder or store.results
    if folder is None:
        raise KdlibError("There is no folder to export to: give one (--to FOLDER), or set $KDLIB_RESULTS.")
    folder.mkdir(parents=True, exist_ok=True)
    records = [store.record(row["key"]) for row in rows if row["status"] == "finished" and row["data"] != "digits"]
    written = sum(_copy(record, folder, replace) for record in records)
    for key in {key for record in records for key in record["taught_by"]} & {record["key"] for record in records}:
        _copy_weights(store, key, folder)
    _write_table(folder)
    measured = [found for key in evaluations.keys(store) if _all_there(found := evaluations.load(store, key), folder)]
    copied = sum(_copy(found, folder / EVALUATIONS, replace) for found in measured)
    kept = len(records) + len(measured) - written - copied
    said = f"{count(written, 'record')} and {count(copied, 'evaluation')} written to {folder}"
    return f"{said}, {kept} kept as they were."


def _copy(record: dict, folder: Path, replace: bool) -> bool:
    """Whether it was written: one that is there already stays, unless `replace`."""
    target = folder / f"{record['key']}.json"
    if target.exists() and not replace:
        return False
    files.write_record(target, record)
    return True


def _copy_weights(store: Store, key: str, folder: Path) -> None:
    """Only those that the exported record was made with: training again can give other bits."""
    path, own = store.path(key, WEIGHTS), files.read(store.path(key, RECORD), files.load_json)
    if not own or not path.exists() or path.stat().st_size > TEACHER_BYTES:
        return
    if own["weights"] == files.load_json(folder / f"{key}.json")["weights"] and _is_sound(path):
        files.write_atomically(folder / f"{key}.weights.pt", lambda file: file.write(path.read_bytes()))


def _is_sound(archive: Path) -> bool:
    try:
        with zipfile.ZipFile(archive) as file:
            return file.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False


def _write_table(folder: Path) -> None:
    """runs.csv: what is in the folder, a line per run."""
    import pandas as pd

    records = {key: committed.read(folder, f"{key}.json", files.load_json) for key in sorted(committed.keys(folder))}
    rows = [facts(key, record) for key, record in records.items()]
    pd.DataFrame(rows).to_csv(folder / "runs.csv", index=False)


def _all_there(evaluation: dict | None, folder: Path) -> bool:
    """Whether it can be read (a damaged one cannot) and all its members are in the folder."""
    return evaluation is not None and all((folder / f"{key}.json").exists() for key in evaluation["members"])
