"""The runs that a notebook declares, without a kernel: its cells up to the one tagged `declare` are executed in a plain
namespace, so that a machine without Jupyter can train them, and a report can say beforehand what is new."""

import contextlib
import io
import linecache
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdlib.cells import DECLARED
from kdlib.registry import KdlibError
from kdlib.report.jobs import Job, plan
from kdlib.report.notebook import DEFAULT_PROFILE, Cell, code_cells, only
from kdlib.run import Run
from kdlib.store import Store
from kdlib.words import count

TAG = "declare"


@dataclass(frozen=True)
class Declaration:
    """`runs` in the order of their declaration, each once; `budget` in minutes, None: to the end."""

    runs: list[Run]
    budget: float | None = None

    def __str__(self) -> str:
        store = Store()
        new = sum(store.record(run.key) is None for run in self.runs)
        return f"{count(len(self.runs), 'run')} declared, {new} new"


def train_declared(notebook: str, profile: str = DEFAULT_PROFILE, params: Iterable[str] = ()) -> None:
    """Trains what a notebook declares. Needs no Jupyter and no plots, unless the notebook's own cells do."""
    from kdlib.training import engine

    (job,) = plan([notebook], profile, params)
    only(code_cells(job.notebook), TAG, job.notebook.name)
    declared = declaration(job)
    print(f"{job.notebook.stem}, profile {profile}: {declared}", flush=True)
    table = engine.train(declared.runs, budget=declared.budget)
    print(f"{(table['status'] == 'finished').sum()} of {len(table)} measured", flush=True)


def silent_declaration(job: Job) -> Declaration | None:
    """What its cells print is left to the kernel, which executes them again."""
    with contextlib.redirect_stdout(io.StringIO()):
        return declaration(job)


def declaration(job: Job) -> Declaration | None:
    """None where no cell is tagged `declare`; KdlibError where a cell fails or declares no runs."""
    code = code_cells(job.notebook)
    if not any(TAG in cell.tags for cell in code):
        return None
    last = only(code, TAG, job.notebook.name)
    namespace = {"__name__": "__main__", "__file__": str(job.notebook)}
    for cell in code[: last.number]:
        _execute(cell, namespace, job.notebook)
        if "parameters" in cell.tags:
            namespace.update(job.parameters)
    if DECLARED not in namespace:
        raise KdlibError(f"{job.notebook.name} binds no `{DECLARED}` before its cell tagged `{TAG}` ends.")
    runs = {run.key: run for run in _runs(namespace[DECLARED])}
    return Declaration(list(runs.values()), namespace.get("budget"))


def _execute(cell: Cell, namespace: dict[str, Any], notebook: Path) -> None:
    """The source can be found again, as in a kernel: it is the version of what a cell registers."""
    name, source = f"<cell {cell.number} of {notebook.name}>", cell.source + "\n"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    where = f"Cell {cell.number} of {notebook.name}"
    try:
        exec(compile(source, name, "exec"), namespace)
    except KdlibError:
        raise
    except ModuleNotFoundError as error:
        raise KdlibError(
            f"{where} needs {error.name}, which is not installed here: import it behind the cell tagged `{TAG}`."
        ) from None
    except Exception as error:
        raise KdlibError(f"{where} failed with {traceback.format_exception_only(error)[-1].strip()}") from None


def _runs(declared: Any) -> Iterator[Run]:
    """The runs in nested mappings and lists."""
    if isinstance(declared, Run):
        yield declared
    elif isinstance(declared, (Mapping, list, tuple)):
        for member in declared.values() if isinstance(declared, Mapping) else declared:
            yield from _runs(member)
    else:
        raise KdlibError(f"`{DECLARED}` holds {declared!r}: give runs, in lists or under the names of their rows.")
