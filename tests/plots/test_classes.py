"""Images per class."""

import pytest
from figures import legend_of, texts

from kdlib import plots
from kdlib.data import long_tailed_counts


@pytest.mark.parametrize("num_classes", [10, 100])
def test_class_histogram_shows_the_counts_and_their_curve(num_classes):
    counts = {factor: long_tailed_counts(4500, num_classes, factor) for factor in (100, 50)}
    figure = plots.class_histogram(counts, [f"class {c}" for c in range(num_classes)])
    (axis,) = figure.axes
    steps = [step.get_data().values.tolist() for step in axis.patches]
    assert steps == [counts[50], counts[100]]
    curve = axis.lines[1].get_ydata()
    assert curve[[0, -1]] == pytest.approx([4500, 45])
    assert axis.get_yscale() == "log" and texts(axis) == ["head", "middle", "tail"]
    assert legend_of(figure)[0] == f"imbalance factor 50: {sum(counts[50]):,} images"
    parted = [line.get_xdata()[0] for line in axis.lines if len(set(line.get_xdata())) == 1]
    assert parted == {10: [2.5, 6.5], 100: [32.5, 66.5]}[num_classes]  # 3, 4, 3; 33, 34, 33 classes
    assert ("class 3" in [label.get_text() for label in axis.get_xticklabels()]) == (num_classes == 10)
