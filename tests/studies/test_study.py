"""Claims and the rules that decide them: one door for the published ones and for a user's."""

import pytest
from builders import repeats

from kdlib import KdlibError
from kdlib.intervals.verdicts import MissingRowsError, Verdict, need
from kdlib.studies import Printed, Study, published
from kdlib.studies.printed import once


def mine(**options):
    study = Study("mine")

    @study.claim("M1", "The teacher helps.", rule="above 0 holds", **options)
    def helps(rows, limit=0.5):
        if "taught" not in rows:
            raise MissingRowsError("1 of its 1 rows are missing, such as taught")
        accuracy = rows["taught"][0]["metrics"]["last"]["raw"]["accuracy"]
        return Verdict("holds" if accuracy > limit else "fails", f"{accuracy:.2f}")

    return study


def test_an_own_claim_is_judged_on_any_data():
    (line,) = mine().judge({"taught": repeats(0.6, data="digits")}).to_dict("records")
    assert line == {
        "id": "M1", "origin": "own", "scope": "", "claim": "The teacher helps.", "rule": "above 0 holds",
        "verdict": "holds", "evidence": "0.60",
    }  # fmt: skip


def test_a_missing_row_is_not_measured():
    assert mine().judge({})["verdict"].tolist() == ["not measured"]


def test_scopes_are_decided_apart():
    table = mine(scopes={"low": (0.5,), "high": (0.7,)}).judge({"taught": repeats(0.6)})
    assert dict(zip(table["scope"], table["verdict"], strict=True)) == {"low": "holds", "high": "fails"}


def test_a_claim_that_nobody_published_needs_words():
    with pytest.raises(KdlibError, match="Claim 'M1' of study 'mine' is not published: say what it claims"):
        Study("mine").claim("M1")


def test_a_rule_that_is_written_anew_takes_the_place_of_the_old():
    study = mine()
    study.claim("M1", "The teacher helps.")(lambda rows: Verdict("undecided", "one seed"))
    assert study.judge({})["verdict"].tolist() == ["undecided"]


@pytest.mark.parametrize(("name", "count"), [("augmentation_ensemble", 7), ("compact_student", 3)])
def test_every_published_claim_is_listed_though_no_rule_is_written(name, count):
    table = Study(name).judge({})
    assert len(table) == count and set(table["verdict"]) == {"not measured"} and table["claim"].str.len().min() > 20


def test_digits_never_decide_a_published_claim():
    study = Study("compact_student")
    study.claim("E1")(lambda rows: Verdict("holds", "it does"))
    decided = study.judge({"row": repeats(0.9)}).set_index("id")
    assert decided.loc["E1", "verdict"] == "holds"
    digits = study.judge({"row": repeats(0.9, data="digits")}).set_index("id")
    assert digits.loc["E1", "verdict"] == "not measured" and "digits never decide" in digits.loc["E1", "evidence"]


def test_the_sources_own_table_goes_through_the_same_rule():
    study = Study("compact_student")

    @study.claim("E1")
    def better(rows):
        (row,) = need(rows, ["taught"])
        accuracy = rows[row][0]["metrics"]["last"]["raw"]["accuracy"]
        return Verdict("holds" if accuracy > 0.5 else "fails", f"{accuracy:.2f}")

    study.claim("M1", "An own claim.")(lambda rows: Verdict("undecided", "one seed"))
    printed = Printed({"taught": once("taught", "cifar100", accuracy=0.598)}, {"E1": "one run"})
    found = study.judge({"taught": repeats(0.4)}, printed).set_index("id")
    assert found.loc["E1", ["verdict", "evidence"]].tolist() == ["fails", "0.40"]
    assert found.loc["E1", ["in_source", "evidence_in_source"]].tolist() == ["holds", "0.60; one run"]
    assert found.loc["M1", ["in_source", "evidence_in_source"]].isna().all()  # it was never published
    assert found.loc["E2", "evidence_in_source"] == "no rule has been written for it yet"
    none = study.judge({"taught": repeats(0.4)}, Printed({}, {"E1": "one run"})).set_index("id")
    missing = "its table has no such rows: 1 of its 1 rows are missing, such as taught"
    assert none.loc["E1", ["in_source", "evidence_in_source"]].tolist() == ["not measured", missing]
    digits = study.judge({"taught": repeats(0.9, data="digits")}, printed).set_index("id")
    assert digits.loc["E1", ["verdict", "in_source"]].tolist() == ["not measured", "holds"]


def test_a_table_that_was_not_published_is_named():
    with pytest.raises(KdlibError, match="no published figures for 'alpha'"):
        published("alpha")
