"""Where things lie: the checkout that kdlib is imported from, and the folders that the environment names."""

import os
from pathlib import Path

from kdlib.registry import KdlibError

ROOT = Path(__file__).resolve().parents[1]  # the checkout; of an installed package, the folder of all packages


def in_checkout() -> bool:
    return (ROOT / "notebooks").is_dir() and (ROOT / "pyproject.toml").is_file()


def repository() -> Path:
    """The checkout that kdlib is imported from: its notebooks and reports lie in it. KdlibError where there is none."""
    if not in_checkout():
        raise KdlibError("kdlib is not running from its checkout, which holds notebooks and reports: clone it, too.")
    return ROOT


def named(variable: str) -> Path | None:
    """The folder that an environment variable names; None where it names none.

    ~ is the home folder. A relative path begins at the checkout, never at the working directory: that of a notebook is
    another one than that of the command that executes it, and both mean the same folder.
    """
    value = os.environ.get(variable)
    return _absolute(variable, value) if value else None


def _absolute(variable: str, value: str) -> Path:
    try:
        path = Path(value).expanduser()
    except RuntimeError:
        raise KdlibError(f"${variable} is {value}, and there is no such home folder: write its path in full.") from None
    if not path.is_absolute() and not in_checkout():
        raise KdlibError(
            f"${variable} is {value}, which would begin at kdlib's checkout, and there is none: write its path in full."
        )
    return (ROOT / path).resolve()
