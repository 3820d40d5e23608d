"""Findings in words: what a report says of its figures."""

from collections.abc import Iterable

import pandas as pd

from kdlib.words import count

_OURS = {"verdict": "verdict", "evidence": "evidence"}
_BOTH = {
    "in_source": "its own table", "evidence_in_source": "its evidence", "verdict": "ours", "evidence": "our evidence",
}  # fmt: skip
DATA = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "stl10": "STL-10"}


def called(data: str) -> str:
    """What people call a data set: CIFAR-10"""
    return DATA.get(data, data)


def finding(sentence: str, scale: str = "") -> None:
    """Shows what a section found, as its opening, with the scale that its figures were measured at."""
    from IPython.display import Markdown, display

    display(Markdown(f"**{sentence}**" + (f" *{scale}.*" if scale else "")))


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def listing(parts: Iterable[str], none: str = "none") -> str:
    """a, b and c"""
    *first, last = [*parts] or [none]
    return f"{', '.join(first)} and {last}" if first else last


def clear(differences: pd.DataFrame) -> str:
    """How many of the intervals (columns low, high; NaN where there is none) leave 0: "2 of 5 intervals leave 0"."""
    known = differences.dropna(subset=["low", "high"])
    leaving = (known["low"] > 0) | (known["high"] < 0)
    return f"{leaving.sum()} of {count(len(known), 'interval')} leave 0" if len(known) else "no interval"


def ranges(effects: pd.DataFrame) -> str:
    """Per factor, the range of what it adds in accuracy, and how many intervals leave 0. `effects` as of
    `results.differences`."""
    accuracy = effects[effects["metric"] == "accuracy"]
    said = [
        f"{factor}: {_range(group['estimate'])} points ({clear(group)})"
        for factor, group in accuracy.groupby("factor", sort=False)
    ]
    return sentence("; ".join(said)) if said else "None of these rows was measured."


def _range(values: pd.Series) -> str:
    return " to ".join(f"{value:+.2f}" for value in sorted({values.min(), values.max()}))


def tally(verdicts: pd.DataFrame) -> str:
    """Of 4 verdicts, 3 undecided and 1 not measured. In the source's own table: 2 holds and 2 not measured."""
    said = f"Of {count(len(verdicts), 'verdict')}, {_counted(verdicts['verdict'])}."
    return f"{said} In the source's own table: {_counted(verdicts['in_source'])}." if "in_source" in verdicts else said


def _counted(verdicts: pd.Series) -> str:
    return listing(f"{number} {word}" for word, number in verdicts.value_counts(sort=False).items())


def claims_table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """A line per verdict under its claim and rule (`heading`); scopes that are decided alike share a line. What the
    rule says of the source's own table, where the verdicts have it, stands beside what it says of ours."""
    words = _BOTH if "in_source" in verdicts else _OURS
    said = ["id", "origin", "claim", "rule", *words]
    alike = verdicts.groupby(said, sort=False, dropna=False)["scope"].agg("; ".join).reset_index()
    headings = alike["id"] + " (" + alike["origin"] + "): " + alike["claim"] + ". Rule: " + alike["rule"] + "."
    return alike.assign(heading=headings)[["heading", "scope", *words]].rename(columns=words)
