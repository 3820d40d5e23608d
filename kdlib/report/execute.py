"""Notebooks executed by papermill, in this Python, and rendered."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from kdlib.registry import KdlibError, Stopped
from kdlib.report.declaration import silent_declaration
from kdlib.report.index import ALL, COMMITTED, is_local, write_indexes
from kdlib.report.jobs import Job, adjusted, command, plan
from kdlib.report.notebook import DEFAULT_PROFILE
from kdlib.report.parameters import declared
from kdlib.store import repository, write_atomically
from kdlib.store.provenance import provenance


def main(
    notebooks: Iterable[str] = (),
    profile: str = DEFAULT_PROFILE,
    params: Iterable[str] = (),
    to: str | None = None,
    reports: Path | None = None,
) -> list[Path]:
    """Executes and renders notebooks (by name or path; none: all that have the profile), then the pages that list all
    reports; returns the HTML files. Parameters and declared runs are checked before any kernel starts; a notebook that
    fails does not stop the others, rewrites nothing, and is told by a KdlibError at the end; Stopped where the user
    stopped one."""
    jobs = plan(notebooks, profile, params, to)
    declarations = [silent_declaration(job) for job in jobs]
    reports = reports or repository() / "reports"
    made, failed = [], []
    for job, declaration in zip(jobs, declarations, strict=True):
        said = f": {declaration}" if declaration else ""
        print(f"{job.notebook.stem}, profile {profile}{said}", flush=True)
        started = time.monotonic()
        try:
            made.append(execute(job, reports))
        except KdlibError as error:
            failed.append(f"{job.notebook.stem}: {error}")
        else:
            print(f"{_shown(made[-1])}  ({time.monotonic() - started:.0f} s)", flush=True)
    if made:
        print(f"All reports: {_shown(write_indexes(reports, made))}", flush=True)
    if failed:
        raise KdlibError("\n".join(failed))
    return made


def execute(job: Job, reports: Path) -> Path:
    """Executes a notebook and writes <reports>/<profile>/<name>.html, .json and, where its summary has a picture, .png;
    returns the HTML file. What the notebook prints is shown as it comes. KdlibError where a cell fails: what had been
    done stays in <name>.partial.ipynb."""
    from kdlib.report.html import render

    folder = _writable(reports / job.profile)
    partial = folder / f"{job.name}.partial.ipynb"
    made, started = provenance(), time.monotonic()  # before: a revision is that of the start, however long it takes
    executed = _papermill(job, partial)
    html = folder / f"{job.name}.html"
    page, facts = render(executed, _facts(job, made, time.monotonic() - started), ALL if is_local(html) else COMMITTED)
    picture = facts.pop("picture", None)
    files = {"html": page.encode(), "json": json.dumps(facts, indent=1, allow_nan=False).encode()}
    files |= {"png": base64.b64decode(picture)} if picture else {}
    for ending, content in files.items():
        write_atomically(folder / f"{job.name}.{ending}", lambda file, content=content: file.write(content))
    partial.unlink()
    return html


def _facts(job: Job, made: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {
        "study": job.notebook.stem,
        "profile": job.profile,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "parameters": {name: p.default for name, p in declared(job.notebook).items()} | job.parameters,
        "changed": sorted(job.parameters),
        "adjusted": sorted(adjusted(*job[:3])),
        "command": command(job),
        "provenance": made,
    }


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KdlibError(f"{folder} cannot be made ({error.strerror}): make it a folder that you can write.") from None
    if not os.access(folder, os.W_OK):
        raise KdlibError(f"{folder} cannot be written: give yourself the right, or take a checkout of your own.")
    return folder


def _papermill(job: Job, output: Path):
    """The executed notebook. Trusts only the exception: after a kill, papermill's own marks say "completed"."""
    import papermill
    from traitlets.config import Config

    try:
        return papermill.execute_notebook(
            job.notebook,
            output,
            job.parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            cwd=repository(),
            kernel_manager_class=_this_python(job.notebook),
            config=Config({"KernelManager": {"transport": _transport()}}),
        )
    except papermill.PapermillExecutionError as error:
        if error.ename in (Stopped.__name__, KeyboardInterrupt.__name__):
            raise Stopped(error.evalue or "Stopped.") from None
        if error.ename == KdlibError.__name__:
            raise KdlibError(error.evalue) from None
        number = error.exec_count - bool(job.parameters)  # as in the notebook: without papermill's own cell
        said = f"{error.ename}: {error.evalue}".strip().removesuffix(":")
        raise KdlibError(f"Cell {number} failed with {said} (see {_shown(output)}).") from None
    except RuntimeError as error:  # nbclient: the kernel died or did not start
        raise KdlibError(f"The kernel stopped ({error}; out of memory?): see {_shown(output)}.") from None


def _this_python(notebook: Path) -> type:
    """A kernel manager that starts this very Python, whatever "python3" means to this machine's Jupyter, and tells the
    kernel its notebook as JupyterLab does. Ctrl-C and SIGTERM do what JupyterLab's stop button does: the kernel itself
    says how far it came."""
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class ThisPython(AsyncKernelManager):
        kernel_spec = property(lambda self: KernelSpec(**get_kernel_dict(), env={"JPY_SESSION_NAME": str(notebook)}))

        async def start_kernel(self, **options):
            await super().start_kernel(**options)  # nbclient has set its own handlers before
            loop = asyncio.get_running_loop()
            with contextlib.suppress(NotImplementedError, RuntimeError):  # on Windows; in a thread
                for sign in (signal.SIGINT, signal.SIGTERM):
                    loop.add_signal_handler(sign, lambda: loop.create_task(self.interrupt_kernel()))

    return ThisPython


def _transport() -> str:
    """Sockets in the file system, as ipykernel >= 7.3 warns of TCP; a socket's path holds at most about 100 letters."""
    from jupyter_core.paths import jupyter_runtime_dir

    return "ipc" if os.name == "posix" and len(jupyter_runtime_dir()) < 45 else "tcp"


def _shown(path: Path) -> str:
    """As a user would type it: relative to the working directory where the file lies below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
