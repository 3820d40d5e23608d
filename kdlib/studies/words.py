"""Findings in words: what a report says of its figures."""

from collections.abc import Iterable

import pandas as pd


def finding(sentence: str, scale: str = "") -> None:
    """Shows what a section found, as its opening, with the scale that its figures were measured at."""
    from IPython.display import Markdown, display

    display(Markdown(f"**{sentence}**" + (f" *{scale}.*" if scale else "")))


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def plural(number: int, noun: str) -> str:
    """1 seed, 3 seeds"""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(parts: Iterable[str], none: str = "none") -> str:
    """a, b and c"""
    *first, last = [*parts] or [none]
    return f"{', '.join(first)} and {last}" if first else last


def clear(differences: pd.DataFrame) -> str:
    """How many of the intervals (columns low, high) leave 0: "2 of 5 intervals leave 0"."""
    leaving = (differences["low"] > 0) | (differences["high"] < 0)
    return f"{leaving.sum()} of {plural(len(differences), 'interval')} leave 0"


def tally(verdicts: pd.DataFrame) -> str:
    """Of 4 claims, 3 undecided and 1 not measured."""
    counts = verdicts["verdict"].value_counts(sort=False)
    return f"Of {plural(len(verdicts), 'verdict')}, {listing(f'{n} {word}' for word, n in counts.items())}."


def claims_table(verdicts: pd.DataFrame) -> pd.DataFrame:
    """A line per verdict under its claim and rule (`heading`); scopes that are decided alike share a line."""
    said = ["id", "origin", "claim", "rule", "verdict", "evidence"]
    alike = verdicts.groupby(said, sort=False)["scope"].agg("; ".join).reset_index()
    headings = alike["id"] + " (" + alike["origin"] + "): " + alike["claim"] + ". Rule: " + alike["rule"] + "."
    return alike.assign(heading=headings)[["heading", "scope", "verdict", "evidence"]]
