"""How intervals decide."""

import pytest
from builders import record, repeats

from kdlib.intervals.comparisons import TEST_IMAGES_ONLY, Interval
from kdlib.intervals.verdicts import (
    VERDICTS,
    Choice,
    MissingRowsError,
    above,
    all_of,
    below,
    choose,
    difference,
    listed,
    need,
    points,
    within,
)


def test_intervals_decide_only_where_all_of_them_lies_on_one_side():
    def made(low, high, kind="test images and training"):
        return Interval((low + high) / 2, low, high, kind)

    cases = [(made(0.1, 0.2), "holds"), (made(-0.2, -0.1), "fails"), (made(-0.1, 0.1), "undecided")]
    assert [above(0)(i) for i, _ in cases] == [e for _, e in cases]
    assert below(0)(made(0.1, 0.2)) == "fails" and below(0)(made(-0.2, -0.1)) == "holds"
    assert [within(0.5)(made(*ends)) for ends in ((-0.4, 0.4), (0.6, 0.9), (0.4, 0.6), (-0.9, -0.6))] == [
        "holds", "fails", "undecided", "fails"]  # fmt: skip
    wide, margin = made(-0.9, 0.7), "cannot be decided by this design"
    assert within(0.5)(wide) == above(-0.5)(wide) == margin and above(0)(wide) == "undecided"
    assert all_of(["holds", margin]) == margin and all_of(["fails", margin]) == "fails"
    assert above(0)(made(0.1, 0.2, TEST_IMAGES_ONLY)) == "undecided"
    assert all_of(["holds", "undecided", "fails"]) == "fails"
    assert all_of(["holds", "undecided"]) == "undecided" and all_of(["holds", "holds"]) == "holds"


def test_differences_are_told_in_the_unit_of_their_reader():
    gain = Interval(0.0042, -0.001, 0.0094, "3 repeats")
    assert points(gain) == "+0.42 (-0.10 to +0.94); points, 95%, 3 repeats; told from 0 above ±0.52"
    assert listed({"minus CE": gain, "minus CP": gain}) == (
        "minus CE +0.42 (-0.10 to +0.94), minus CP +0.42 (-0.10 to +0.94); points, 95%, 3 repeats; "
        "told from 0 above ±0.52"
    )
    assert listed({"minus best": gain}, "harmonic score") == (
        "minus best +0.004 (-0.001 to +0.009); harmonic score, 95%, 3 repeats; told from 0 above ±0.005"
    )


def test_a_missing_row_is_told_by_its_own_words():
    """Any hashable names a row."""
    rows = {frozenset("a"): {0: {}}, ("b", 2): {}}
    assert need(rows, [frozenset("a")]) == [frozenset("a")]
    with pytest.raises(MissingRowsError, match="1 of its 2 rows are missing, such as .'b', 2."):
        need(rows, [frozenset("a"), ("b", 2)])


def test_what_kinds_begin_with_is_said_once():
    def of(*kinds):
        return listed({str(number): Interval(0, -1, 1, kind) for number, kind in enumerate(kinds)})

    training = "test images and training"
    assert f"95%, {training}: 3 repeats; told" in of(*[f"{training}: 3 repeats"] * 2)
    both = of(f"{training}: 3 repeats", f"{training}: noise borrowed from 9 repeated rows")
    assert f"95%, {training}: 3 repeats; noise borrowed from 9 repeated rows; told" in both
    apart = of(f"{training}: 3 repeats", TEST_IMAGES_ONLY, f"{training}: 5 repeats", "one seed")
    assert f"95%, {training}: 3 repeats; 5 repeats and {TEST_IMAGES_ONLY} and one seed; told" in apart


def held_out(*accuracies, first=0):
    """A row by the accuracies on held-out images of its repeats."""
    return {repeat: record(0.6, held_out=value) for repeat, value in enumerate(accuracies, start=first)}


def test_a_choice_is_made_over_the_repeats_that_all_rows_have():
    rows = {"often": held_out(0.70, 0.99, 0.99), "once": held_out(0.75), "beside": held_out(0.99)}
    choice = choose(rows, ["often", "once"])
    assert choice == Choice("once", rows, 0)
    assert choose({"often": held_out(0.70, 0.99), "two": held_out(0.75, 0.8)}, ["two", "often"]).row == "often"


def test_rows_without_a_repeat_in_common_are_compared_by_what_they_have():
    rows = {"first": held_out(0.7), "second": held_out(0.8, 0.6, 0.6, 0.6, first=1)}
    assert choose(rows, rows) == Choice("first", rows, 0)


@pytest.mark.parametrize(("others", "unseen"), [(0, 0), (1, 0), (2, 0), (3, 3), (7, 7)])
def test_a_chosen_row_is_judged_at_three_repeats_or_more_that_had_no_say(others, unseen):
    rows = {"best": held_out(0.8, 0.8, *[0.1] * others), "other": held_out(0.7, 0.7), "baseline": held_out(*[0.9] * 9)}
    before = {name: dict(row) for name, row in rows.items()}
    choice = choose(rows, iter(["other", "best"]))
    assert (choice.row, choice.unseen) == ("best", unseen)
    assert list(choice.rows["best"]) == (list(range(2, 2 + others)) if unseen else list(rows["best"]))
    assert choice.rows | {"best": None} == rows | {"best": None} and rows == before  # which are as they were


def test_a_choice_that_is_judged_by_the_seeds_that_chose_it_can_fail_but_not_hold():
    seen, apart = Choice("best", {}, 0), Choice("best", {}, 7)
    said = {answer: seen.says(answer, "+1.0 points").verdict for answer in VERDICTS}
    assert said == dict(zip(VERDICTS, VERDICTS, strict=True)) | {"holds": "undecided"}
    assert [apart.says(answer, "+1.0 points").verdict for answer in VERDICTS] == list(VERDICTS)
    assert seen.says("fails", "+1.0 points").evidence == "+1.0 points; judged at the seeds that chose it"
    assert apart.says("holds", "+1.0 points").evidence == "+1.0 points; judged at 7 seeds that did not choose"


def test_the_luck_that_made_a_choice_is_no_evidence_for_it():
    """The chosen row is lucky at the two seeds that chose it, and no better than the baseline at the others."""
    usual = [0.600, 0.602, 0.604, 0.603]
    rows = {"best": repeats(0.7, 0.7, *usual), "other": repeats(0.6, 0.6), "baseline": repeats(0.601, 0.603, *usual)}
    choice = choose(rows, ["best", "other"])
    judged = difference(choice.rows, "best", "baseline")
    assert judged.estimate == pytest.approx(0, abs=1e-12) and judged.low <= 0 <= judged.high
    assert difference(rows, "best", "baseline").estimate > 0.03
