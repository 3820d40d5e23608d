"""What a notebook's cells say, read as text.

A live kernel keeps the source of every cell that it ran, in `In`; it knows neither their tags nor their file.
"""

import ast
import sys
from collections.abc import Iterable
from typing import Any

DECLARED = "declared"  # the name that a notebook gives to its runs


def literals(source: str) -> dict[str, Any]:
    """{name: value} of a cell of nothing but `name = literal` lines, such as a parameters cell; {} of any other."""
    try:
        return dict(_literal(statement) for statement in ast.parse(source).body)
    except (SyntaxError, ValueError, TypeError, AttributeError):
        return {}


def _literal(statement: ast.stmt) -> tuple[str, Any]:
    """AttributeError where the statement is another one."""
    target = statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
    return target.id, ast.literal_eval(statement.value)


def outdated(ran: Iterable[str]) -> str | None:
    """One sentence where parameters were changed after the cell that binds `declared` ran; `ran` holds the cells'
    sources in the order of their execution."""
    ran = list(ran)
    declaring = [number for number, source in enumerate(ran) if _binds(source, DECLARED)]
    if not declaring:
        return None
    then, now = _values(ran[: declaring[-1]]), _values(ran)
    other = [f"{name} = {now[name]!r} (declared: {then[name]!r})" for name in then if now[name] != then[name]]
    if not other:
        return None
    return f"The runs are older than the parameters: {', '.join(other)}. Run the cells that declare the runs again."


def say_if_outdated() -> None:
    """Prints that sentence in a kernel; nothing elsewhere."""
    sentence = outdated(vars(sys.modules["__main__"]).get("In", ()))
    if sentence:
        print(sentence, flush=True)


def _values(ran: Iterable[str]) -> dict[str, Any]:
    return {name: value for source in ran for name, value in literals(source).items()}


def _binds(source: str, name: str) -> bool:
    try:
        nodes = ast.walk(ast.parse(source))
    except SyntaxError:
        return False
    return any(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in nodes)
