"""Notebooks and reports written by tests."""

import json
import re
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook

PARAMETERS = """\
epochs = 2  # passes over the data
lr = 0.1
alphas = [0.1, 1]  # weights of
temperatures: list[float] = [
    1,
    2.5,
]  # of the soft labels
data = "digits"
quiet = False
budget: float = None  # minutes
"""
USES = """\
import kdlib.report

kdlib.report.check_parameters()
settings = epochs, lr, alphas, temperatures, data, quiet, budget
"""
# fmt: off
FACTS = {"study": "tiny", "profile": "digits", "date": "2025-01-02T03:04:05+00:00", "seconds": 1.5, "changed": [],
         "parameters": {}, "command": "python -m kdlib report tiny", "provenance": {"git": "abc", "dirty": False}}
# fmt: on
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}


def tagged(source: str, *tags: str):
    return new_code_cell(source, metadata={"tags": list(tags)})


def write_notebook(path: Path, *cells, parameters: str = PARAMETERS, check: str = USES) -> Path:
    """A parameters cell, one that checks them, then the given cells."""
    head = [tagged(parameters, "parameters"), new_code_cell(check)]
    nbformat.write(new_notebook(cells=[*head, *cells], metadata=KERNEL), path)
    return path


def write_profile(notebook: Path, profile: str, text: str) -> Path:
    path = notebook.parent / "profiles" / profile / f"{notebook.stem}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_report(reports: Path, profile: str, study: str, *verdicts: dict, name: str = "", **facts) -> Path:
    """What the index reads of a report."""
    page = reports / profile / f"{name or study}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("")
    said = FACTS | {"study": study, "profile": profile, "title": f"On {study}", "verdicts": verdicts} | facts
    page.with_name(f"{page.stem}.json").write_text(json.dumps(said))
    return page


def needs_no_network(page: BeautifulSoup) -> bool:
    sources = [tag[name] for tag in page.find_all(True) for name in ("src", "srcset", "data") if tag.get(name)]
    embedded = not page.find_all(["script", "link", "iframe"]) and all(s.startswith("data:") for s in sources)
    return embedded and not re.search(r"url\(|@import", " ".join(style.text for style in page.find_all("style")))
