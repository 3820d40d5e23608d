"""Where data sets and decoded arrays lie on this machine."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from kdlib.places import named
from kdlib.registry import KdlibError

Arrays = tuple[np.ndarray, np.ndarray, list[str]]  # images uint8 N x C x H x W, labels int64 N, class names

FORMAT = 1  # of the cached arrays: another number, and all are decoded anew


def cache_home() -> Path:
    """$KDLIB_CACHE, else kdlib's folder in the user's cache: nothing in it is lost for good when it is deleted.

    Raises KdlibError where the user has no home folder.
    """
    if place := named("KDLIB_CACHE"):
        return place
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kdlib"
    except RuntimeError:
        raise KdlibError("There is no home folder to keep a cache in: set $KDLIB_CACHE to a folder.") from None


def data_root(root: str | Path | None = None) -> Path:
    """The folder in which data sets are looked for: the given one, else $KDLIB_DATA, else the user's cache.

    It need not be there yet. Raises KdlibError where it is a file, or a folder that may not be read.
    """
    place = Path(root).expanduser().absolute() if root else named("KDLIB_DATA") or cache_home() / "data"
    if os.path.exists(place) and not (os.path.isdir(place) and os.access(place, os.R_OK | os.X_OK)):
        trouble = "may not be read" if os.path.isdir(place) else "is no folder"
        raise KdlibError(f"Data sets are looked for in {place}, which {trouble}: set $KDLIB_DATA to a folder of yours.")
    return place


def damaged(file: Path, trouble: str, name: str) -> KdlibError:
    """The sentence for a file that cannot be used; another source is never taken silently in its place."""
    return KdlibError(
        f"{file} {trouble}: put a sound copy in its place, or move the folder {file.parent} away "
        f"and run `python -m kdlib data {name}`, which downloads the data set."
    )


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Whatever file of the data set cannot be read within gets the sentence of a damaged one."""
    try:
        yield
    except OSError as error:
        raise damaged(Path(error.filename or name), f"cannot be read ({error.strerror or error})", name) from None


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
    names = json.loads((folder / "class_names.json").read_text(encoding="utf-8"))
    return np.load(folder / "images.npy"), np.load(folder / "labels.npy"), names


def _write(folder: Path, arrays: Arrays) -> None:
    """Each file by rename; the digest fixes what is in it, so two processes that write at once do no harm."""
    images, labels, class_names = arrays
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-") as partial:
        np.save(Path(partial, "images.npy"), images)
        np.save(Path(partial, "labels.npy"), labels)
        Path(partial, "class_names.json").write_text(json.dumps(class_names), encoding="utf-8")
        for file in Path(partial).iterdir():
            file.replace(folder / file.name)
