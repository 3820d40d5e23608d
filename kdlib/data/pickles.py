"""Images in the folders that torchvision unpacks (`cifar-10-batches-py`, `cifar-100-python`), and their download.

A pickle can run any code when it is read, so the MD5 of its bytes is compared with torchvision's table first. `archive`
is torchvision's class, or a subclass with a table of its own: base_folder, url, filename, tgz_md5, train_list,
test_list and meta are used.
"""

import hashlib
import pickle
import tarfile
import tempfile
from http.client import HTTPException
from pathlib import Path

import numpy as np
from filelock import FileLock

from kdlib.data.storage import Arrays, damaged
from kdlib.registry import KdlibError


def files(archive: type, root: Path, split: str, name: str) -> dict[Path, str]:
    """The split's pickles with their MD5, the class names' last; none without the folder. KdlibError if one is gone."""
    folder = root / archive.base_folder
    if not folder.is_dir():
        return {}
    batches = {"train": archive.train_list, "test": archive.test_list}[split]
    checksums = {folder / file: md5 for file, md5 in [*batches, (archive.meta["filename"], archive.meta["md5"])]}
    for file in checksums:
        if not file.is_file():
            raise damaged(file, "is missing", name)
    return checksums


def read(checksums: dict[Path, str], archive: type, name: str) -> Arrays:
    """The images of all pickles, in their order. KdlibError if one is not the file that the table describes."""
    *batches, meta = [_unpickle(file, md5, name) for file, md5 in checksums.items()]
    images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch.get("labels") or batch["fine_labels"] for batch in batches])
    return images, labels, meta[archive.meta["key"]]


def _unpickle(file: Path, md5: str, name: str) -> dict:
    data = file.read_bytes()
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != md5:
        raise damaged(file, f"has the MD5 {found}, not {md5}, and was not opened", name)
    return pickle.loads(data, encoding="latin1")


def download(archive: type, root: Path, name: str, looked_for: list[str]) -> None:
    """Fetch the archive and unpack it under the root. KdlibError, with what was looked for and where, if that fails."""
    from torchvision.datasets.utils import download_and_extract_archive

    try:
        # Unpacked elsewhere and renamed: a folder that is there is whole, also after a kill. The lock comes last: in a
        # folder like /proc, where no file can be made, it would be waited for without end.
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".partial-") as partial, FileLock(root / f".{name}.lock"):
            if not (root / archive.base_folder).exists():
                download_and_extract_archive(archive.url, root, partial, archive.filename, archive.tgz_md5)
                Path(partial, archive.base_folder).rename(root / archive.base_folder)
    except (OSError, RuntimeError, HTTPException, tarfile.TarError) as error:
        raise KdlibError(
            f"Data set '{name}' is not there and cannot be downloaded from {archive.url} ({error}): looked in {root} "
            f"for {', '.join(looked_for)} and {archive.base_folder}/. Set $KDLIB_DATA to a folder that has one of "
            f"these, or run `python -m kdlib data {name}` where there is a network."
        ) from None
