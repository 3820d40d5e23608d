"""A study: what is claimed, the rules that decide it, and what its source printed.

reports/published/ holds every figure of the five sources, and claims.csv every claim with its rule in words. A rule in
code is a function of the measured rows that `Study.claim` ties to a claim's id: ours in their study's room, and a
user's in a notebook cell, by the same door.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from kdlib.intervals.verdicts import NOT_MEASURED, Rows, Rule, Verdict, attempt
from kdlib.registry import KdlibError
from kdlib.store import repository

_COLUMNS = ["id", "origin", "scope", "claim", "rule"]
_NO_RULE = Verdict(NOT_MEASURED, "no rule has been written for it yet")
_DIGITS = Verdict(NOT_MEASURED, "handwritten digits never decide a claim")


def published(table: str) -> pd.DataFrame:
    """The figures that a source prints, a line per row; accuracies in percent, ECE and OE as fractions. Raises
    KdlibError where reports/published/ has no such table."""
    path = repository() / "reports" / "published" / f"{table}.csv"
    if not path.exists():
        raise KdlibError(f"There are no published figures for '{table}': {path} is missing.")
    return pd.read_csv(path)


@dataclass(frozen=True)
class Printed:
    """A source's own table: the rows that it prints, as records (kdlib.studies.printed), and by a claim's id what a
    reader must know of what a rule finds there."""

    rows: Rows
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Decision:
    """A rule, and the scopes that it decides apart; own claims also say here what they are."""

    rule: Rule
    scopes: Mapping[str, tuple]
    facts: dict[str, str] | None


@dataclass(frozen=True)
class Study:
    """A study by its name, that of its notebook. Its claims are those of claims.csv, and its own.

    >>> study = Study("mine")
    >>> @study.claim("M1", "The teacher helps.", rule="accuracy difference to the baseline: above 0 holds")
    ... def helps(rows):
    ...     return Verdict("undecided", "one seed")
    >>> study.judge({})["verdict"].tolist()
    ['undecided']
    """

    name: str
    decisions: dict[str, _Decision] = field(default_factory=dict, repr=False)

    def claim(
        self, id: str, text: str | None = None, *, rule: str = "", scopes: Mapping[str, tuple] | None = None
    ) -> Callable[[Rule], Rule]:
        """Decorator: the function decides the claim. It gets the measured rows (row -> record per repeat), and returns
        a Verdict.

        `text` and `rule` say the claim in words; a published claim has both in claims.csv. With `scopes`, a title such
        as "CIFAR-10, IF 50" per tuple of further arguments, the claim is decided once per scope.
        """
        facts = None if text is None else {"id": id, "origin": "own", "scope": "", "claim": text, "rule": rule}
        if facts is None and id not in set(self._published()["id"]):
            raise KdlibError(f"Claim '{id}' of study '{self.name}' is not published: say what it claims.")

        def decorate(function: Rule) -> Rule:
            self.decisions[id] = _Decision(function, scopes or {}, facts)
            return function

        return decorate

    def judge(self, rows: Rows, printed: Printed | None = None) -> pd.DataFrame:
        """Every claim with its verdict and the evidence for it: a line per claim, or per scope of a claim that is
        decided apart.

        A claim without a rule, or whose rule lacks a row, is "not measured"; handwritten digits never decide a
        published claim. With the `printed` rows of the source, `in_source` and `evidence_in_source` are what the same
        rule says of these; None for own claims, which no source has printed anything of.
        """
        own = [decision.facts for decision in self.decisions.values() if decision.facts]
        lines = [
            {**claim, "scope": scope, "verdict": found.verdict, "evidence": found.evidence}
            for claim in [*self._published().to_dict("records"), *own]
            for scope, found in self._decide(claim, rows).items()
        ]
        judged = pd.DataFrame(lines, columns=[*_COLUMNS, "verdict", "evidence"])
        return judged if printed is None else self._beside_source(judged, printed)

    def _beside_source(self, judged: pd.DataFrame, printed: Printed) -> pd.DataFrame:
        found = {
            (claim["id"], scope): _of_source(verdict, printed.notes.get(claim["id"]))
            for claim in self._published().to_dict("records")
            for scope, verdict in self._decide(claim, printed.rows).items()
        }
        lines = [found.get(line) for line in judged[["id", "scope"]].itertuples(index=False, name=None)]
        return judged.assign(
            in_source=[line and line.verdict for line in lines],
            evidence_in_source=[line and line.evidence for line in lines],
        )

    def _published(self) -> pd.DataFrame:
        claims = published("claims")
        return claims.loc[claims["study"] == self.name, _COLUMNS]

    def _decide(self, claim: dict[str, str], rows: Rows) -> dict[str, Verdict]:
        decision = self.decisions.get(claim["id"])
        if decision is None:
            return {claim["scope"]: _NO_RULE}
        scopes = decision.scopes or {claim["scope"]: ()}
        deciding = rows if decision.facts else without_digits(rows)
        if rows and not deciding:
            return dict.fromkeys(scopes, _DIGITS)
        return {title: attempt(decision.rule, deciding, *scope) for title, scope in scopes.items()}


def _of_source(found: Verdict, note: str | None) -> Verdict:
    """With what must be said of the printed rows, or that there are none."""
    if found.verdict != NOT_MEASURED:
        return replace(found, evidence=f"{found.evidence}; {note}") if note else found
    return found if found == _NO_RULE else replace(found, evidence=f"its table has no such rows: {found.evidence}")


def without_digits(rows: Rows) -> Rows:
    """The rows that may decide a published claim."""
    return {name: row for name, row in rows.items() if not _of_digits(row)}


def _of_digits(row: Mapping[Hashable, dict]) -> bool:
    return any(record["spec"]["data"] == "digits" for record in row.values())
