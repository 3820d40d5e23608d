"""Where a record comes from: the code, the versions and the machine."""

import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache  # what a process has imported, it keeps
def provenance() -> dict:
    """Git revision, whether kdlib/ or notebooks/ have changes that no commit has, versions, hardware. JSON-able."""
    revision = _git("rev-parse", "HEAD")
    return {
        "git": revision,
        "dirty": bool(_git("status", "--porcelain", "--", "kdlib", "notebooks")) if revision else None,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "numpy")},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
    }


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


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
