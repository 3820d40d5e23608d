"""Notebook files: which there are, their profiles, and their cells. Read as JSON, without Jupyter's packages."""

import json
from pathlib import Path
from typing import NamedTuple

from kdlib.registry import KdlibError, unknown
from kdlib.store import repository

DEFAULT_PROFILE = "digits"  # the notebooks' own defaults: no file


class Cell(NamedTuple):
    """A code cell; `number` counts from 1, code cells only."""

    number: int
    source: str
    tags: tuple[str, ...]


def code_cells(notebook: Path) -> list[Cell]:
    """KdlibError where the file is no notebook."""
    try:
        cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        return [
            Cell(number, "".join(cell["source"]), tuple(cell.get("metadata", {}).get("tags", ())))
            for number, cell in enumerate(code, start=1)
        ]
    except (ValueError, KeyError, TypeError, OSError):
        raise KdlibError(f"{notebook} cannot be read as a notebook: restore it from git or save it anew.") from None


def only(cells: list[Cell], tag: str, where: str) -> Cell:
    """The one cell with the tag; KdlibError where none or several have it."""
    tagged = [cell for cell in cells if tag in cell.tags]
    if len(tagged) != 1:
        raise KdlibError(f"{where} has {len(tagged)} cells tagged `{tag}`: it needs exactly one.")
    return tagged[0]


def all_notebooks() -> list[Path]:
    return sorted((repository() / "notebooks").glob("*.ipynb"))


def find(name: str) -> Path:
    """A notebook by its name (its file without .ipynb) or its path."""
    if name.endswith(".ipynb") and Path(name).is_file():
        return Path(name).resolve()
    known = {path.stem: path for path in all_notebooks()}
    if name.removesuffix(".ipynb") not in known:
        raise KdlibError(unknown("notebook", name, known))
    return known[name.removesuffix(".ipynb")]


def profiles(notebook: Path) -> dict[str, Path | None]:
    """The profiles that a notebook can be executed with, and their files."""
    files = sorted(notebook.parent.glob(f"profiles/*/{notebook.stem}.yaml"))
    return {DEFAULT_PROFILE: None, **{path.parent.name: path for path in files}}
