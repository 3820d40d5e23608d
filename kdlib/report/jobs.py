"""What a command asks for: notebooks, what each is executed with, and what its report is called."""

import json
import re
import shlex
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from kdlib.registry import KdlibError, unknown
from kdlib.report.notebook import DEFAULT_PROFILE, all_notebooks, find, profiles
from kdlib.report.parameters import check, declared
from kdlib.report.values import from_arguments, from_file

OWN = "--"  # in a report's name: parameters were not the profile's, and git ignores it
LONGEST = 48  # letters that a report's name says of its parameters
NOT_NAMED = {"budget"}  # it says how long, not what


class Job(NamedTuple):
    """A notebook and what it is executed with; `parameters` holds only what differs from the notebook's own, `name` is
    that of the report."""

    notebook: Path
    profile: str
    parameters: dict[str, Any]
    name: str


def plan(notebooks: Iterable[str], profile: str, params: Iterable[str] = (), to: str | None = None) -> list[Job]:
    """The jobs; KdlibError on anything unknown or ill-typed."""
    given = from_arguments(params)
    named = [find(name) for name in notebooks]
    known = {name: path for path in named or all_notebooks() for name in profiles(path)}
    if profile not in known:
        raise KdlibError(unknown("profile", profile, known))
    chosen = named or [path for path in all_notebooks() if profile in profiles(path)]
    if to is not None and (len(chosen) != 1 or not re.fullmatch(r"\w[\w.-]*", to)):
        raise KdlibError(f"--to {to}: name one notebook, and its report by letters, digits and . _ -")
    return [_job(path, profile, given, to) for path in chosen]


def _job(notebook: Path, profile: str, given: dict[str, Any], to: str | None) -> Job:
    parameters = _of_profile(notebook, profile) | check(notebook, given)
    return Job(notebook, profile, parameters, report_name(notebook, adjusted(notebook, profile, parameters), to))


def _of_profile(notebook: Path, profile: str) -> dict[str, Any]:
    known = profiles(notebook)
    if profile not in known:
        raise KdlibError(unknown(f"profile of {notebook.stem}", profile, known))
    if known[profile] is None:
        return {}
    try:
        return check(notebook, from_file(known[profile]))
    except KdlibError as error:
        raise KdlibError(f"{error} ({known[profile].parent.name}/{known[profile].name})") from None


def adjusted(notebook: Path, profile: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the profile says otherwise, or not at all."""
    said = {name: p.default for name, p in declared(notebook).items()} | _of_profile(notebook, profile)
    return {name: value for name, value in parameters.items() if said[name] != value}


def report_name(notebook: Path, other: dict[str, Any], to: str | None = None) -> str:
    """The notebook's name where the profile's parameters were used; else a name of its own, so that no report of other
    parameters is overwritten: `to`, or one that says the `other` parameters (alpha_grid--epochs-1)."""
    said = to or "-".join(_said(name, value) for name, value in other.items() if name not in NOT_NAMED)
    if len(said) > LONGEST and not to:
        said = f"{said[:LONGEST].rstrip('-')}-{sha256(said.encode()).hexdigest()[:6]}"
    return f"{notebook.stem}{OWN}{said}" if said else notebook.stem


def _said(name: str, value: Any) -> str:
    """epochs-1, alphas-0.5-0.9"""
    words = re.findall(r"[\w.]+", json.dumps(value))
    return "-".join([name, *(words or ["none"])])


def command(job: Job) -> str:
    """What to type to get the same: -p only for what the profile does not say."""
    other = adjusted(job.notebook, job.profile, job.parameters)
    options = [] if job.profile == DEFAULT_PROFILE else ["--profile", job.profile]
    options += [word for name, value in other.items() for word in ("-p", f"{name}={json.dumps(value)}")]
    if job.name != report_name(job.notebook, other):
        options += ["--to", job.name.partition(OWN)[2]]
    return shlex.join(["python", "-m", "kdlib", "report", job.notebook.stem, *options])
