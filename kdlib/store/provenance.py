"""Where a record comes from: the code, the versions and the machine."""

import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from kdlib.places import ROOT


@cache  # what a process has imported, it keeps
def provenance() -> dict:
    """Git revision, whether kdlib/ or notebooks/ have changes that no commit has, versions, hardware. JSON-able."""
    return {
        **revision(ROOT),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "numpy")},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
    }


def revision(root: Path) -> dict:
    """The code's revision ("git"), and whether it is "dirty": changed in kdlib/ or notebooks/ since.

    Git is asked only where `root` is the top of a repository that tracks kdlib: a copy that lies in somebody else's
    repository has none of its own. It has $KDLIB_REVISION, if that is set, and nobody knows whether it is dirty.
    """
    if not _is_own_repository(root):
        return {"git": os.environ.get("KDLIB_REVISION") or None, "dirty": None}
    changes = _git(root, "status", "--porcelain", "--", "kdlib", "notebooks")
    return {"git": _git(root, "rev-parse", "HEAD"), "dirty": None if changes is None else bool(changes)}


def mixture(records: Iterable[dict]) -> str:
    """What the records of one table do not have in common, as the end of a footnote; empty where they have it all.

    Hardware, precision and the weights that one teacher taught with: a teacher trained anew elsewhere has other bits.
    """
    hardware, precisions, teachers = set(), set(), {}
    for record in records:
        made = record["provenance"]
        hardware.add(made["cpu"] if made["device"] == "cpu" else made["device"])
        precisions.add(record["spec"].get("precision", "fp32"))
        for key, weights in record["taught_by"].items():
            teachers.setdefault(key, set()).add(weights)
    said = [", ".join(sorted(kinds)) for kinds in (hardware, precisions) if len(kinds) > 1]
    said += [f"{len(weights)} trainings of teacher {key}" for key, weights in teachers.items() if len(weights) > 1]
    return f"; runs of {' and of '.join(said)} are mixed" if said else ""


def _is_own_repository(root: Path) -> bool:
    top = _git(root, "rev-parse", "--show-toplevel")
    tracked = _git(root, "ls-files", "--error-unmatch", "kdlib/__init__.py")
    return top is not None and tracked is not None and Path(top).resolve() == root.resolve()


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints; None where it fails. Inside a hook, git's own variables name another repository."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, env=environment, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
