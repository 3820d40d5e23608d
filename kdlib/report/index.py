"""reports/index.html: every report there is, by study."""

import json
from itertools import groupby
from pathlib import Path

from kdlib.report.summary import VERDICTS
from kdlib.store import write_atomically


def write_index(reports: Path) -> Path:
    """Joins <reports>/<profile>/<study>.json beside its .html; returns the index."""
    from kdlib.report.html import template

    studies = []
    for study, group in groupby(sorted(read(reports), key=lambda facts: facts["study"]), key=lambda f: f["study"]):
        made = sorted(group, key=lambda facts: facts["date"], reverse=True)
        studies.append({"title": made[0]["title"], "name": study, "reports": made, "claims": scoreboard(made)})
    index = reports / "index.html"
    page = template("index.html.j2").render(studies=studies, verdicts=VERDICTS)
    write_atomically(index, lambda file: file.write(page.encode()))
    return index


def read(reports: Path) -> list[dict]:
    """What the reports' JSON files say; `count` counts the verdicts of each kind, `link` and
    `picture` are relative to the index."""
    found = []
    for page in sorted(reports.glob("*/*.html")):
        if page.with_suffix(".json").exists():
            facts = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
            said = [claim["verdict"] for claim in facts.get("verdicts", ())]
            count = {verdict: said.count(verdict) for verdict in VERDICTS}
            picture = page.with_suffix(".png")
            links = {"link": page, "picture": picture if picture.exists() else None}
            links = {name: path and path.relative_to(reports).as_posix() for name, path in links.items()}
            found.append(facts | links | {"count": count})
    return found


def scoreboard(reports: list[dict]) -> dict[str, dict[str, str]]:
    """{claim: {profile: verdict}} of one study."""
    board: dict[str, dict[str, str]] = {}
    for facts in reports:
        for row in facts.get("verdicts", ()):
            board.setdefault(row["claim"], {})[facts["profile"]] = row["verdict"]
    return board
