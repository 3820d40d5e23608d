"""Training curves."""

from kdlib import plots


def test_training_curves_skip_epochs_without_evaluation():
    history = [{"epoch": e, "train_accuracy": e / 4} for e in (1, 2, 3)]
    history[1] |= {"held_out_accuracy": 0.4, "held_out_nll": 1.5}
    accuracy, nll = plots.training_curves({"run": (history, "#000")}).axes
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[25, 50, 75], [40]]
    assert list(nll.lines[0].get_xdata()) == [2]
