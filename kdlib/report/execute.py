"""Notebooks executed by papermill, in this Python, and rendered."""

import base64
import json
import os
import shlex
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from kdlib.registry import KdlibError, unknown
from kdlib.report.parameters import check, declared, from_arguments, from_file
from kdlib.store import repository, write_atomically
from kdlib.store.provenance import provenance

DEFAULT_PROFILE = "digits"  # the notebooks' own defaults: no file


class Job(NamedTuple):
    """A notebook and what it is executed with; `parameters` holds only what differs from the notebook's own."""

    notebook: Path
    profile: str
    parameters: dict[str, Any]


def main(
    notebooks: Iterable[str] = (),
    profile: str = DEFAULT_PROFILE,
    params: Iterable[str] = (),
    reports: Path | None = None,
) -> list[Path]:
    """Executes and renders notebooks (by name or path; none: all that have the profile), then the index; returns the
    HTML files. All parameters are checked before anything is executed; one that fails does not stop the others, and is
    told by a KdlibError at the end."""
    from kdlib.report.index import write_index

    made, failed = [], []
    for job in plan(notebooks, profile, params):
        print(f"{job.notebook.stem}, profile {profile}", flush=True)
        started = time.monotonic()
        try:
            made.append(execute(*job, reports=reports))
        except KdlibError as error:
            failed.append(f"{job.notebook.stem}: {error}")
        else:
            print(f"{_shown(made[-1])}  ({time.monotonic() - started:.0f} s)", flush=True)
    print(_shown(write_index(reports or repository() / "reports")), flush=True)
    if failed:
        raise KdlibError("\n".join(failed))
    return made


def plan(notebooks: Iterable[str], profile: str, params: Iterable[str]) -> list[Job]:
    """What `main` will execute; KdlibError on anything unknown or ill-typed."""
    given = from_arguments(params)
    named = [find(name) for name in notebooks]
    known = {name: path for path in named or all_notebooks() for name in profiles(path)}
    if profile not in known:
        raise KdlibError(unknown("profile", profile, known))
    chosen = named or [path for path in all_notebooks() if profile in profiles(path)]
    return [Job(path, profile, check(path, {**_profile(path, profile), **given})) for path in chosen]


def all_notebooks() -> list[Path]:
    return sorted((repository() / "notebooks").glob("*.ipynb"))


def find(name: str) -> Path:
    """A notebook by its name (`alpha_temperature_grid`) or its path."""
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


def _profile(notebook: Path, profile: str) -> dict[str, Any]:
    known = profiles(notebook)
    if profile not in known:
        raise KdlibError(unknown(f"profile of {notebook.stem}", profile, known))
    return from_file(known[profile]) if known[profile] else {}


def execute(notebook: Path, profile: str, parameters: dict[str, Any], reports: Path | None = None) -> Path:
    """Executes a notebook with checked `parameters` and writes <reports>/<profile>/<notebook>.html and .json; returns
    the HTML file. What the notebook prints is shown as it comes. KdlibError where a cell fails: what had been done
    stays in <notebook>.partial.ipynb."""
    from kdlib.report.html import render

    folder = (reports or repository() / "reports") / profile
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{notebook.stem}.partial.ipynb"
    made, started = provenance(), time.monotonic()  # before: a revision is that of the start, however long it takes
    executed = _papermill(notebook, partial, parameters)
    facts = {
        "study": notebook.stem,
        "profile": profile,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
        "parameters": {name: p.default for name, p in declared(notebook).items()} | parameters,
        "changed": sorted(parameters),
        "adjusted": sorted(adjusted(notebook, profile, parameters)),
        "command": command(notebook, profile, parameters),
        "provenance": made,
    }
    page, facts = render(executed, facts)
    html = folder / f"{notebook.stem}.html"
    picture = facts.pop("picture", None)
    files = {".html": page.encode(), ".json": json.dumps(facts, indent=1, allow_nan=False).encode()}
    files |= {".png": base64.b64decode(picture)} if picture else {}
    for suffix, content in files.items():
        write_atomically(html.with_suffix(suffix), lambda file, content=content: file.write(content))
    partial.unlink()
    return html


def adjusted(notebook: Path, profile: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the profile says otherwise, or not at all."""
    said = {name: p.default for name, p in declared(notebook).items()} | check(notebook, _profile(notebook, profile))
    return {name: value for name, value in parameters.items() if said[name] != value}


def command(notebook: Path, profile: str, parameters: dict[str, Any]) -> str:
    """What to type to get the same: -p only for what the profile does not say."""
    own = [f"{name}={json.dumps(value)}" for name, value in adjusted(notebook, profile, parameters).items()]
    options = ["--profile", profile] * (profile != DEFAULT_PROFILE) + [word for p in own for word in ("-p", p)]
    return shlex.join(["python", "-m", "kdlib", "report", notebook.stem, *options])


def _papermill(notebook: Path, output: Path, parameters: dict[str, Any]):
    """The executed notebook. Trusts only the exception: after a kill, papermill's own marks say "completed"."""
    import papermill
    from traitlets.config import Config

    try:
        return papermill.execute_notebook(
            notebook,
            output,
            parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            cwd=repository(),
            kernel_manager_class=_this_python(),
            config=Config({"KernelManager": {"transport": _transport()}}),
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == "KdlibError":
            raise KdlibError(error.evalue) from None
        raise KdlibError(
            f"Cell {error.exec_count} failed with {error.ename}: {error.evalue.strip()} (see {_shown(output)})."
        ) from None
    except RuntimeError as error:  # nbclient: the kernel died or did not start
        raise KdlibError(f"The kernel stopped ({error}; out of memory?): see {_shown(output)}.") from None


def _this_python() -> type:
    """A kernel manager that starts this very Python, whatever "python3" means to this machine's Jupyter."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        kernel_spec = property(lambda self: KernelSpec(**get_kernel_dict()))

    return ThisPython


def _transport() -> str:
    """Sockets in the file system, as ipykernel >= 7.3 warns of TCP; a socket's path holds at most about 100 letters."""
    from jupyter_core.paths import jupyter_runtime_dir

    return "ipc" if os.name == "posix" and len(jupyter_runtime_dir()) < 45 else "tcp"


def _shown(path: Path) -> str:
    """As a user would type it: relative to the working directory where the file lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
