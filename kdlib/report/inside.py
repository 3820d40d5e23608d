"""A notebook's parameters checked from inside, by its second cell: for those who run it in Jupyter or by papermill."""

import ast
import difflib
import inspect
import re
from pathlib import Path
from typing import Any

from kdlib import cells
from kdlib.registry import KdlibError
from kdlib.report.notebook import Cell, code_cells
from kdlib.report.parameters import Parameter, declared, fitted, parse

INJECTED = "# Parameters\n"  # papermill's own first line of the cell that it puts behind the parameters cell
# Where VS Code, JupyterLab (through ipykernel) and `python -m kdlib train` leave the path of the notebook.
_PATHS = ("__vsc_ipynb_file__", "__session__", "__file__")


def check_parameters(**least: float) -> None:
    """Holds what a notebook's cells assigned against the names and types that its file declares, and writes values back
    in the declared types (2.0 where a whole number is declared becomes 2). KdlibError on a name that the file does not
    declare or no cell uses, on a value of another type, and on one below its `least` (repeats=0). Nothing happens
    outside a notebook."""
    namespace = inspect.currentframe().f_back.f_globals
    ran = list(namespace.get("In", ()))
    notebook = file_of(namespace)
    known = declared(notebook) if notebook else _declared_in(ran)
    if notebook:
        check_used(known, code_cells(notebook))
    for name in dict.fromkeys([*known, *_assigned(ran, known)]):
        namespace[name] = _checked(name, namespace, known, ran)
    for name, lowest in least.items():
        if namespace[name] < lowest:
            raise KdlibError(f"{name} is {namespace[name]}: give {lowest} or more.")


def file_of(namespace: dict[str, Any]) -> Path | None:
    """The notebook's file, where its front end says which it is."""
    paths = [Path(str(namespace[name])) for name in _PATHS if namespace.get(name)]
    return next((path for path in paths if path.suffix == ".ipynb" and path.is_file()), None)


def check_used(known: dict[str, Parameter], code: list[Cell]) -> None:
    """KdlibError on a parameter that no cell uses: most often a misspelt one beside the right one."""
    used = set().union(*(_names(cell.source) for cell in code if "parameters" not in cell.tags))
    for name in known:
        if name not in used:
            nearest = difflib.get_close_matches(name, known.keys() & used, n=1, cutoff=0.5)
            hint = f"did you mean '{nearest[0]}'? If not, " if nearest else ""
            raise KdlibError(f"No cell uses the parameter '{name}': {hint}take its line out of the parameters cell.")


def _names(source: str) -> set[str]:
    """Names of variables; of a cell with magics or shell lines, all its words."""
    try:
        return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    except SyntaxError:
        return set(re.findall(r"\w+", source))


def _declared_in(ran: list[str]) -> dict[str, Parameter]:
    """Where no file is known: cells of nothing but `name = literal` declare, other than papermill's."""
    found = [parse(source) for source in ran if cells.literals(source) and not source.startswith(INJECTED)]
    return {name: parameter for known in found for name, parameter in known.items()}


def _assigned(ran: list[str], known: dict[str, Parameter]) -> list[str]:
    """The names in the cell that was the parameters cell when it last ran, and in papermill's."""
    named = [cells.literals(source) for source in ran]
    alike = [names for names in named if 2 * len(names.keys() & known.keys()) > len(known)]
    return [name for names in (*alike[-1:], _injected(ran)) for name in names]


def _injected(ran: list[str]) -> dict[str, Any]:
    """What papermill's cell assigns."""
    found = [cells.literals(source) for source in ran if source.startswith(INJECTED)]
    return found[-1] if found else {}


def _checked(name: str, namespace: dict[str, Any], known: dict[str, Parameter], ran: list[str]) -> Any:
    if name not in namespace:
        raise KdlibError(f"Parameter '{name}' has no value: run the parameters cell first.")
    try:
        return fitted(name, namespace[name], known, "this notebook")
    except KdlibError as error:
        given = _injected(ran).get(name)
        # papermill's -p makes a text of what is neither a number nor True, False or None.
        hint = f' (papermill: -y "{name}: {given}")' if name in known and isinstance(given, str) else ""
        raise KdlibError(f"{error}{hint}") from None
