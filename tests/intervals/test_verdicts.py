"""How intervals decide."""

import pytest

from kdlib.intervals.comparisons import TEST_IMAGES_ONLY, Interval
from kdlib.intervals.verdicts import MissingRowsError, above, all_of, below, listed, need, points, within


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
