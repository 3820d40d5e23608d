"""How files are written and read: whoever reads sees the old file, the new one, or is told that it is damaged."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from kdlib.registry import KdlibError

# A file that cannot be read for one of these reasons, or for want of memory, may be sound.
NOT_ITS_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EACCES, errno.EPERM}


class DamagedError(Exception):
    """A file is there and is not what it should be; says why, as the end of a sentence."""


def dump(record: dict) -> str:
    """A record as text: strict JSON, sorted, so that the same record is the same file. ValueError on NaN."""
    return json.dumps(record, sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"


def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Writes under another name and renames: after a kill there is the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with open(partial, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def write_record(path: Path, record: dict) -> None:
    write_atomically(path, lambda file: file.write(dump(record).encode()))


def read(path: Path, load: Callable[[Path], Any]) -> Any | None:
    """What `load` makes of the file; None where there is none. Raises DamagedError, or KdlibError where the machine is
    in trouble and not the file."""
    if not path.exists():
        return None
    try:
        return load(path)
    except FileNotFoundError:  # another process has just moved it
        return None
    except DamagedError:
        raise
    except Exception as error:  # of a damaged file, torch raises eight kinds
        if isinstance(error, MemoryError) or getattr(error, "errno", None) in NOT_ITS_FAULT:
            reason = str(error) or "out of memory"
            raise KdlibError(f"{path} cannot be read now ({reason}): try again later.") from None
        raise DamagedError(f"its {path.stem} cannot be read") from None
