"""Findings in words."""

import pandas as pd
import pytest

from kdlib.studies import claims_table, clear, count, listing, tally


@pytest.mark.parametrize(("number", "words"), [(1, "1 seed"), (0, "0 seeds"), (12596, "12,596 seeds")])
def test_plural(number, words):
    assert count(number, "seed") == words


@pytest.mark.parametrize(
    ("parts", "words"), [(["a", "b", "c"], "a, b and c"), (["a"], "a"), ([], "none"), (iter("ab"), "a and b")]
)
def test_listing(parts, words):
    assert listing(parts) == words


def test_clear_counts_intervals_on_either_side():
    ends = pd.DataFrame({"low": [0.1, -0.2, -0.1, 0.0], "high": [0.2, -0.1, 0.1, 1.0]})
    assert clear(ends) == "2 of 4 intervals leave 0"


def verdicts(*lines):
    return pd.DataFrame(lines, columns=["id", "origin", "scope", "claim", "rule", "verdict", "evidence"])


def test_verdicts_are_counted_and_scopes_that_agree_share_a_line():
    table = verdicts(
        ("A1", "stated", "IF 50", "it helps", "above 0", "holds", "+1"),
        ("A1", "stated", "IF 100", "it helps", "above 0", "holds", "+1"),
        ("A1", "stated", "IF 10", "it helps", "above 0", "fails", "-1"),
    )
    assert tally(table) == "Of 3 verdicts, 2 holds and 1 fails."
    shown = claims_table(table)
    assert shown["scope"].tolist() == ["IF 50; IF 100", "IF 10"]
    assert shown["heading"].unique().tolist() == ["A1 (stated): it helps. Rule: above 0."]


def test_the_sources_own_table_stands_beside_ours():
    table = verdicts(
        ("A1", "stated", "IF 50", "it helps", "above 0", "fails", "-1"),
        ("A1", "stated", "IF 100", "it helps", "above 0", "fails", "-1"),
        ("M1", "own", "", "mine", "above 0", "holds", "+1"),
    ).assign(in_source=["holds", "fails", None], evidence_in_source=["+2", "-2", None])
    assert tally(table) == "Of 3 verdicts, 2 fails and 1 holds. In the source's own table: 1 holds and 1 fails."
    shown = claims_table(table)
    assert list(shown) == ["heading", "scope", "its own table", "its evidence", "ours", "our evidence"]
    assert shown["scope"].tolist() == ["IF 50", "IF 100", ""] and shown["ours"].tolist() == ["fails", "fails", "holds"]
    assert shown["its own table"].tolist()[:2] == ["holds", "fails"] and shown["its own table"].isna().tolist()[2]
