"""The pages that list the reports: which claims hold, and every report there is, by study.

reports/index.html is committed and lists what is to be committed; reports/all.html, which git ignores, lists also the
reports on handwritten digits and those with parameters of the user's own.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kdlib.intervals.verdicts import NOT_MEASURED, VERDICTS
from kdlib.report.jobs import NOT_NAMED, OWN
from kdlib.report.notebook import DEFAULT_PROFILE
from kdlib.store import repository, write_atomically

COMMITTED, ALL = "index.html", "all.html"
ANSWERS = ("in_source", "small", "at_scale")  # of which table, in the order of the page's columns
_DIGITS = "handwritten digits never decide a published claim"
_ROWS_MISSING = re.compile(r"(\d+) of its (\d+) rows are missing")  # kdlib.intervals.verdicts.need
NEAREST = ("paper", "cifar_gpu", "cifar_cpu")  # profiles by nearness to the sources' own settings; then all others


def write_indexes(reports: Path | None = None, made: Iterable[Path] | None = None) -> Path:
    """Renders the pages and returns the one that lists all reports. The committed one is left alone where none of the
    reports `made` (None: any) stands on it."""
    reports = reports or repository() / "reports"
    if made is None or any(not is_local(page) for page in made):
        write_index(reports / COMMITTED, [facts for facts in read(reports) if not facts["local"]])
    return write_index(reports / ALL, read(reports))


def write_index(page: Path, made: list[dict]) -> Path:
    """Joins the facts of reports with the published studies and their claims."""
    from kdlib.report.html import template
    from kdlib.studies import published

    claims, studied = published("claims"), [facts for facts in made if not facts.get("method")]
    known = [
        study(row["study"], row["title"], claims[claims["study"] == row["study"]].to_dict("records"), studied)
        for row in published("studies").to_dict("records")
    ]
    names = sorted({facts["study"] for facts in studied} - {entry["id"] for entry in known})
    html = template("index.html.j2").render(
        studies=known,
        own=[study(name, None, [], studied) for name in names],
        number=sum(len(entry["claims"]) for entry in known),
        ours=[line["ours"] for entry in known for claim in entry["claims"] for line in claim["lines"]],
        verdicts=VERDICTS,
        methods=methods(made),
    )
    write_atomically(page, lambda file: file.write(html.encode()))
    return page


def study(name: str, title: str | None, claims: list[dict], made: list[dict]) -> dict[str, Any]:
    """A study with its reports, the nearest to the source first, and its claims. One without published claims is the
    user's own: `title` None, and handwritten digits may decide what it claims."""
    own = sorted((facts for facts in made if facts["study"] == name), key=nearness)
    title = title or own[0]["title"]
    return {"id": name, "name": title, "reports": own, "claims": scoreboard(claims, own)}


def is_local(page: Path) -> bool:
    """Whether git ignores a report: one on handwritten digits, or with parameters of the user's own."""
    return page.parent.name == DEFAULT_PROFILE or OWN in page.stem


def read(reports: Path) -> list[dict]:
    """What the reports' JSON files say; `link` and `picture` are relative to the index."""
    pages = [page for page in sorted(reports.glob("*/*.html")) if page.with_suffix(".json").exists()]
    return [_facts(page, reports) for page in pages]


def _facts(page: Path, reports: Path) -> dict:
    facts = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    picture = page.with_suffix(".png")
    return facts | {
        "link": page.relative_to(reports).as_posix(),
        "picture": picture.relative_to(reports).as_posix() if picture.exists() else None,
        "local": is_local(page),
        "other": {name: facts["parameters"].get(name) for name in _adjusted(facts)},
        "small": small(facts),
    }


def _adjusted(facts: dict) -> list[str]:
    return [name for name in facts.get("adjusted", ()) if name not in NOT_NAMED]


def nearness(facts: dict) -> tuple:
    """Sorts reports: the profile nearest to the source first and digits last; with other parameters after all else."""
    profile = None if _adjusted(facts) and facts["profile"] != DEFAULT_PROFILE else facts["profile"]
    place = {name: number for number, name in enumerate((*NEAREST, None, DEFAULT_PROFILE))}
    return place.get(profile, len(NEAREST)), len(_adjusted(facts)), facts["profile"], facts["link"]


def methods(made: list[dict]) -> list[dict]:
    """Of each report about how we measure, the nearest."""
    nearest: dict[str, dict] = {}
    for facts in sorted(made, key=nearness):
        if facts.get("method"):
            nearest.setdefault(facts["study"], facts)
    return list(nearest.values())


def small(facts: dict) -> bool:
    """Whether a report is of smaller scale than the sources: of its parameters, only `budget` may differ."""
    return facts["profile"] != NEAREST[0] or bool(_adjusted(facts))


def on_digits(facts: dict) -> bool:
    """By the data of its rows; by its profile where they do not say."""
    data = {row["data"] for row in facts.get("rows", ()) if row.get("data")}
    return (data or {facts["profile"]}) == {DEFAULT_PROFILE}


def scoreboard(claims: list[dict], reports: list[dict]) -> list[dict]:
    """The published claims of a study, then those that only its reports know, each with `lines`, one for each scope
    that is decided apart.

    A line has three answers: `in_source`, `small` and `at_scale`, what the rule finds in the source's own table, in
    ours of a smaller scale, and in ours at the source's; None where nobody asked, else the verdict and its evidence.
    `ours` is the last one that is measured. An answer of ours also has its `profile`, and is that of the first of the
    `reports`, nearest first, that measured the claim, or else of the one that has most of its rows; digits never decide
    a published claim.
    """
    board = {claim["id"]: claim | {"lines": {}} for claim in claims}
    published = set(board)
    for facts in reports:
        for row in facts.get("verdicts", ()):
            name = row.get("id") or row["claim"]
            claim = board.setdefault(name, {"id": row.get("id"), "claim": row["claim"], "lines": {}})
            line = claim["lines"].setdefault(row.get("scope", ""), dict.fromkeys(ANSWERS))
            place, found = _answer(row, facts, decides=name not in published or not on_digits(facts))
            line[place] = _known_best(line[place], found)
            line["in_source"] = line["in_source"] or _in_source(row)
    return [claim | {"lines": _lines(claim)} for claim in board.values()]


def _answer(row: dict, facts: dict, decides: bool) -> tuple[str, dict]:
    """What a report says of a claim, and its place among ANSWERS."""
    found = {"verdict": row["verdict"], "evidence": row.get("evidence", "")}
    found = found if decides else {"verdict": NOT_MEASURED, "evidence": _DIGITS}
    scale = small(facts)
    return "small" if scale else "at_scale", found | {"profile": facts["profile"], "small": scale}


def _in_source(row: dict) -> dict | None:
    return {"verdict": row["in_source"], "evidence": row["evidence_in_source"]} if row.get("in_source") else None


def _known_best(*answers: dict | None) -> dict:
    """The first answer that is measured; where none is, the first that lacks the smallest part of its rows."""
    return min(filter(None, answers), key=_missing)


def _missing(answer: dict) -> float:
    """The part of a claim's rows that an answer lacks: none if it is measured, all if it does not say."""
    if answer["verdict"] != NOT_MEASURED:
        return 0.0
    said = _ROWS_MISSING.search(answer["evidence"])
    return int(said[1]) / int(said[2]) if said else 1.0


def _lines(claim: dict) -> list[dict]:
    """Without the line of a report that knew only the whole of a claim, where another decides its parts."""
    whole = claim.get("scope", "")
    lines = [
        line | {"scope": scope, "ours": _known_best(line["at_scale"], line["small"])}
        for scope, line in claim["lines"].items()
    ]
    parts = [line for line in lines if (line["scope"], line["ours"]["verdict"]) != (whole, NOT_MEASURED)]
    nobody = dict.fromkeys(ANSWERS) | {"scope": whole, "ours": {"verdict": NOT_MEASURED, "evidence": ""}}
    return parts or lines or [nobody]
