"""How intervals decide."""

from kdlib.intervals.comparisons import TEST_IMAGES_ONLY, Interval
from kdlib.intervals.verdicts import above, all_of, below, within


def test_intervals_decide_only_where_all_of_them_lies_on_one_side():
    def made(low, high, kind="test images and training"):
        return Interval((low + high) / 2, low, high, kind)

    cases = [(made(0.1, 0.2), "holds"), (made(-0.2, -0.1), "fails"), (made(-0.1, 0.1), "undecided")]
    assert [above(0)(i) for i, _ in cases] == [e for _, e in cases]
    assert below(0)(made(0.1, 0.2)) == "fails" and below(0)(made(-0.2, -0.1)) == "holds"
    assert [within(0.5)(made(*ends)) for ends in ((-0.4, 0.4), (0.6, 0.9), (0.4, 0.6), (-0.9, -0.6))] == [
        "holds", "fails", "undecided", "fails"]  # fmt: skip
    assert above(0)(made(0.1, 0.2, TEST_IMAGES_ONLY)) == "undecided"
    assert all_of(["holds", "undecided", "fails"]) == "fails"
    assert all_of(["holds", "undecided"]) == "undecided" and all_of(["holds", "holds"]) == "holds"
