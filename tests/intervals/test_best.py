import numpy as np
import pytest

from kdlib.intervals.best import lead, standing
from kdlib.intervals.comparisons import Interval
from kdlib.intervals.measurements import unbiased
from kdlib.registry import KdlibError


def measured(value, replicates):
    return unbiased(value, np.asarray(replicates, dtype=float))


def test_lead_by_hand():
    mine = measured(0.8, 0.8 + np.array([-0.1, 0.1] * 250))
    others = {"steady": measured(0.7, [0.7] * 500), "alike": measured(0.75, 0.75 + np.array([-0.1, 0.1] * 250))}
    found = lead({"mine": mine} | others, "mine", "k")
    # steady: +.1, between 0 and .2; alike: +.05 exactly
    assert found == Interval(pytest.approx(0.05), pytest.approx(0.0), pytest.approx(0.05), "k")


def test_one_of_many_equal_rows_is_not_said_to_be_behind():
    rng = np.random.default_rng(2)
    behind = 0
    for _ in range(40):
        values = np.concatenate([rng.normal(0.8, 0.02, 32), rng.normal(0.4, 0.02, 8)])
        table = {place: measured(value, value + rng.normal(0, 0.02, 500)) for place, value in enumerate(values)}
        behind += lead(table, 0, "k").high < 0
    assert behind <= 3


def test_standing_by_hand():
    table = {
        "mine": measured(0.8, [0.8, 0.9, 0.9, 0.7]),
        "better": measured(0.9, [0.7, 0.9, 0.95, 0.6]),
        "as good": measured(0.8, [0.6, 0.6, 0.6, 0.8]),
    }
    # ahead of both; as good as one, which is not first; behind one; behind the other
    assert standing(table, "mine") == (2, 1, 4)
    assert standing(table, "better") == (1, 1, 4)
    assert standing(table, "as good") == (2, 1, 4)  # rows of one figure share their place


def test_in_each_replicate_one_row_at_most_is_the_first():
    rng = np.random.default_rng(0)
    table = {row: measured(value, value + rng.normal(0, 0.1, 500)) for row, value in enumerate(rng.normal(0, 0.1, 6))}
    places, firsts, counts = zip(*(standing(table, row) for row in table), strict=True)
    assert sorted(places) == [1, 2, 3, 4, 5, 6]
    assert sum(firsts) == 500 and set(counts) == {500}  # no two are alike


@pytest.mark.parametrize("figure", [lambda table, name: lead(table, name, "k"), standing], ids=["lead", "standing"])
def test_a_row_that_stands_alone_or_is_not_there_is_named(figure):
    with pytest.raises(KdlibError, match="Row 'mine' stands alone in its table: give at least one other"):
        figure({"mine": measured(0.8, [0.8] * 9)}, "mine")
    with pytest.raises(KdlibError, match="Row 'theirs' is not among the 1 of its table"):
        figure({"mine": measured(0.8, [0.8] * 9)}, "theirs")
