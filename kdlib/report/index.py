"""reports/index.html: which of the published claims hold, and every report there is, by study."""

import json
from pathlib import Path

from kdlib.intervals.verdicts import NOT_MEASURED, VERDICTS
from kdlib.store import write_atomically

NEAREST = ("paper", "cifar_gpu", "cifar_cpu")  # profiles by nearness to the sources' own settings; then all others
NAMES = {
    "imbalance_kd_calibration": "Imbalance, distillation and calibration",
    "augmentation_ensemble": "Ensembles over augmentations",
    "label_enhancement": "Label enhancement",
    "alpha_temperature_grid": "Alpha and temperature",
    "compact_student": "A compact student",
}


def write_index(reports: Path) -> Path:
    """Joins <reports>/<profile>/<study>.json beside its .html and the published claims; returns the index."""
    from kdlib.report.html import template
    from kdlib.studies import published

    every, claims = read(reports), published("claims")
    made = [facts for facts in every if not facts.get("method")]
    studies = []
    for study in dict.fromkeys([*claims["study"], *(facts["study"] for facts in made)]):
        own = sorted((facts for facts in made if facts["study"] == study), key=lambda facts: nearness(facts["profile"]))
        board = scoreboard(claims[claims["study"] == study].to_dict("records"), own)
        name = NAMES.get(study, study.replace("_", " ").capitalize())
        studies.append({"id": study, "name": name, "reports": own, "claims": board})
    index = reports / "index.html"
    page = template("index.html.j2").render(
        studies=studies,
        number=sum(len(study["claims"]) for study in studies),
        lines=[line for study in studies for claim in study["claims"] for line in claim["lines"]],
        verdicts=VERDICTS,
        methods=methods(every),
    )
    write_atomically(index, lambda file: file.write(page.encode()))
    return index


def read(reports: Path) -> list[dict]:
    """What the reports' JSON files say; `link` and `picture` are relative to the index."""
    found = []
    for page in sorted(reports.glob("*/*.html")):
        if page.with_suffix(".json").exists():
            picture = page.with_suffix(".png")
            links = {"link": page, "picture": picture if picture.exists() else None}
            links = {name: path and path.relative_to(reports).as_posix() for name, path in links.items()}
            facts = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
            found.append(facts | links | {"small": small(facts)})
    return found


def methods(made: list[dict]) -> list[dict]:
    """Of each report about how we measure, the nearest."""
    nearest: dict[str, dict] = {}
    for facts in sorted(made, key=lambda facts: nearness(facts["profile"])):
        if facts.get("method"):
            nearest.setdefault(facts["study"], facts)
    return list(nearest.values())


def nearness(profile: str) -> tuple[int, str]:
    """Sorts profiles, the nearest to the source first and digits last."""
    place = {name: number for number, name in enumerate((*NEAREST, None, "digits"))}
    return place.get(profile, len(NEAREST)), profile


def small(facts: dict) -> bool:
    """Whether a report is of smaller scale than the sources: of its parameters, only `budget` may differ."""
    return facts["profile"] != NEAREST[0] or bool({*facts.get("adjusted", ())} - {"budget"})


def scoreboard(claims: list[dict], reports: list[dict]) -> list[dict]:
    """The published claims of a study, then those that only its reports know, each with `lines`: the verdict, its
    evidence, `scope`, `profile` and whether that is `small`, one line for each scope that is decided apart.

    A line is of the first of the `reports`, nearest first, that measured it; digits never decide.
    """
    board = {claim["id"]: claim | {"lines": {}} for claim in claims}
    for facts in reports:
        for row in facts.get("verdicts", ()):
            claim = board.setdefault(row.get("id", row["claim"]), {"claim": row["claim"], "lines": {}})
            line = {"scope": "", "evidence": "", **row, "profile": facts["profile"], "small": small(facts)}
            if facts["profile"] == "digits":
                line |= {"verdict": NOT_MEASURED, "evidence": "handwritten digits never decide a claim"}
            before = claim["lines"].get(line["scope"])
            if before is None or before["verdict"] == NOT_MEASURED != line["verdict"]:
                claim["lines"][line["scope"]] = line
    return [claim | {"lines": _lines(claim)} for claim in board.values()]


def _lines(claim: dict) -> list[dict]:
    """Without the line of a report that knew only the whole of a claim, where another decides its parts."""
    whole = {"verdict": NOT_MEASURED, "scope": claim.get("scope", ""), "evidence": "", "profile": None}
    parts = [
        line for line in claim["lines"].values() if (line["scope"], line["verdict"]) != (whole["scope"], NOT_MEASURED)
    ]
    return parts or [claim["lines"].get(whole["scope"], whole)]
