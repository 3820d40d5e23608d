"""Figures in sentences."""

from kdlib.words import count


def test_one_is_not_plural():
    assert [count(n, "epoch") for n in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]
