"""A notebook's parameters: what its `parameters` cell declares, and whether what is given fits.

The cell is plain `name = literal  # meaning` lines; an annotation says the type where the default alone cannot, and a
default of None also allows none (`budget: float = None`; papermill does not read `float | None`). Nothing is executed:
the cell is read as text.
"""

import ast
import contextlib
import json
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdlib.registry import KdlibError, unknown
from kdlib.report.notebook import code_cells, only

_ANNOTATIONS = {t.__name__: t for t in (int, float, str, bool, list, dict)} | {"Any": Any}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell. `kind` is a type such as int, list[float] or float | None."""

    name: str
    default: Any
    kind: Any
    meaning: str = ""


# What a notebook declares ---------------------------------------------------------------------------------------------


def declared(notebook: Path) -> dict[str, Parameter]:
    """The parameters of a notebook file by name, in the order of its cell. KdlibError where it has no such cell."""
    notebook = Path(notebook)
    return parse(only(code_cells(notebook), "parameters", notebook.name).source, notebook.stem)


def parse(source: str, where: str = "the parameters cell") -> dict[str, Parameter]:
    """The parameters that a cell's source declares; KdlibError on a line that is no plain `name = literal`."""
    lines = source.splitlines()
    try:
        statements = ast.parse(source).body
        return {p.name: p for p in (_parameter(s, lines) for s in statements)}
    except (SyntaxError, ValueError, NameError, TypeError) as error:
        raise KdlibError(f"Parameters of {where}: {error}; write plain `name = literal` lines.") from None


def _parameter(statement: ast.stmt, lines: list[str]) -> Parameter:
    annotated = isinstance(statement, ast.AnnAssign) and statement.value is not None
    targets = [statement.target] if annotated else getattr(statement, "targets", [None])
    target = targets[0]
    if not isinstance(target, ast.Name):
        raise ValueError(f"line {statement.lineno} assigns no name")
    default = ast.literal_eval(statement.value)
    kind = kind_of(default)
    if annotated:
        kind = eval(ast.unparse(statement.annotation), {"__builtins__": {}}, _ANNOTATIONS)
        kind = kind | None if default is None and kind is not Any else kind
        default = fit(default, kind, target.id)
    # Columns of the syntax tree count bytes.
    behind = lines[statement.end_lineno - 1].encode()[statement.end_col_offset :].decode()
    return Parameter(target.id, default, kind, behind.strip().lstrip("# "))


def kind_of(default: Any) -> Any:
    """The type that a default stands for: 20 is int, [0.1, 1] is list[float], None is anything."""
    if default is None:
        return Any
    if isinstance(default, (list, tuple)):
        kinds = {kind_of(element) for element in default}
        kinds = {float} if kinds == {int, float} else kinds
        return list[kinds.pop() if len(kinds) == 1 else Any]
    return type(default)


# Whether values fit ---------------------------------------------------------------------------------------------------


def check(notebook: Path, given: dict[str, Any]) -> dict[str, Any]:
    """`given` in the declared types (an int where a float is declared becomes one); KdlibError on a name that the
    notebook does not have, with the nearest that it has, and on a value of another type."""
    known = declared(notebook)
    return {name: fitted(name, value, known, Path(notebook).stem) for name, value in given.items()}


def fitted(name: str, value: Any, known: dict[str, Parameter], where: str) -> Any:
    """`value` in the type that the parameter `name` has among the `known` ones, which are those of `where`."""
    if name not in known:
        raise KdlibError(unknown(f"parameter of {where}", name, known))
    return fit(value, known[name].kind, name, known[name].default)


def fit(value: Any, kind: Any, name: str, example: Any = None) -> Any:
    """`value` as `kind`; KdlibError, in one sentence with an example, where it does not fit."""
    try:
        return _fit(value, kind)
    except ValueError:
        such = "" if example is None else f", such as {json.dumps(example)}"
        raise KdlibError(f"Parameter '{name}' is {value!r}: give {_say(kind)}{such}.") from None


def _fit(value: Any, kind: Any) -> Any:
    if kind is Any:
        return value
    if isinstance(kind, types.UnionType):
        for option in typing.get_args(kind):
            with contextlib.suppress(ValueError):
                return _fit(value, option)
        raise ValueError
    kind, elements = typing.get_origin(kind) or kind, typing.get_args(kind)
    if kind is list and isinstance(value, (list, tuple)):
        return [_fit(element, elements[0] if elements else Any) for element in value]
    number = type(value) in (int, float) and math.isfinite(value)
    if (kind is float and number) or (kind is int and number and value == int(value)):
        return kind(value)
    if kind in (str, bool, dict, types.NoneType) and isinstance(value, kind):
        return value
    raise ValueError


_WORDS = {int: ("a whole number", "whole numbers"), float: ("a number", "numbers"), str: ("a text", "texts"),
          bool: ("true or false", "true or false"), dict: ("a mapping", "mappings"),
          types.NoneType: ("null", "null"), Any: ("anything", "anything")}  # fmt: skip


def _say(kind: Any, plural: int = 0) -> str:
    if isinstance(kind, types.UnionType):
        return " or ".join(_say(option, plural) for option in typing.get_args(kind))
    if (typing.get_origin(kind) or kind) is list:
        return f"{'lists' if plural else 'a list'} of {_say((*typing.get_args(kind), Any)[0], plural=1)}"
    return _WORDS[typing.get_origin(kind) or kind][plural]
