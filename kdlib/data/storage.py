"""Where data sets and decoded arrays lie on this machine."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kdlib.registry import KdlibError

Arrays = tuple[np.ndarray, np.ndarray, list[str]]  # images uint8 N x C x H x W, labels int64 N, class names

FORMAT = 1  # of the cached arrays: another number, and all are decoded anew


def cache_home() -> Path:
    """$KDLIB_CACHE, else kdlib's folder in the user's cache: nothing in it is lost for good when it is deleted."""
    if place := os.environ.get("KDLIB_CACHE"):
        return Path(place).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kdlib"


def data_root(root: str | Path | None = None) -> Path:
    """The folder in which data sets are looked for: the given one, else $KDLIB_DATA, else the user's cache."""
    place = root or os.environ.get("KDLIB_DATA")
    return (Path(place) if place else cache_home() / "data").expanduser().absolute()


def damaged(file: Path, trouble: str, name: str) -> KdlibError:
    """The sentence for a file that cannot be used; another source is never taken silently in its place."""
    return KdlibError(
        f"{file} {trouble}: put a sound copy in its place, or move the folder {file.parent} away "
        f"and run `python -m kdlib data {name}`, which downloads the data set."
    )


def cached(purpose: str, files: list[Path], decode: Callable[[], Arrays]) -> Arrays:
    """What `decode` makes of the files, from the cache if the same bytes were decoded before.

    Kept under the SHA-256 of the files' names and contents (0.15 s for 90 MB), so that a file which changes in place
    is noticed, and one that is moved is not decoded again.
    """
    folder = cache_home() / "arrays" / _digest(purpose, files)
    try:
        return _read(folder)
    except (OSError, ValueError, EOFError):  # not there, or cut short
        arrays = decode()
    try:
        _write(folder, arrays)
    except OSError as error:
        warnings.warn(
            f"The decoded images cannot be kept in {folder} ({error.strerror}), so they will be decoded again next "
            "time: set $KDLIB_CACHE to a folder that can be written.",
            stacklevel=2,
        )
    return arrays


def _digest(purpose: str, files: list[Path]) -> str:
    total = hashlib.sha256(f"{FORMAT} {purpose}".encode())
    for path in files:
        with path.open("rb") as file:
            total.update(f"\n{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    return total.hexdigest()[:32]


def _read(folder: Path) -> Arrays:
    names = json.loads((folder / "class_names.json").read_text())
    return np.load(folder / "images.npy"), np.load(folder / "labels.npy"), names


def _write(folder: Path, arrays: Arrays) -> None:
    """Each file by rename; the digest fixes what is in it, so two processes that write at once do no harm."""
    images, labels, class_names = arrays
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as partial:
        np.save(Path(partial, "images.npy"), images)
        np.save(Path(partial, "labels.npy"), labels)
        Path(partial, "class_names.json").write_text(json.dumps(class_names))
        for file in Path(partial).iterdir():
            file.replace(folder / file.name)
