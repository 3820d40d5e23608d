"""Training curves from the histories in records."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator


def training_curves(histories: Mapping[str, tuple[list[dict], str]]) -> Figure:
    """Accuracy on training batches (dashed) and on held-out images (solid), and held-out NLL, over the epochs.

    `histories` maps a label to (a record's history, colour).
    """
    figure, (accuracy, nll) = plt.subplots(1, 2, figsize=(9.2, 3.7))
    for label, (history, colour) in histories.items():
        epochs = [entry["epoch"] for entry in history]
        accuracy.plot(epochs, [100 * e["train_accuracy"] for e in history], color=colour, linestyle="--", linewidth=1)
        held_out = [entry for entry in history if "held_out_accuracy" in entry]
        at = [entry["epoch"] for entry in held_out]
        accuracy.plot(at, [100 * e["held_out_accuracy"] for e in held_out], color=colour, label=label)
        nll.plot(at, [e["held_out_nll"] for e in held_out], color=colour, label=label)
    accuracy.set(title="Accuracy: held-out (solid), training (dashed)", xlabel="epoch", ylabel="accuracy (%)")
    nll.set(title="Held-out NLL", xlabel="epoch", ylabel="NLL (nats per image, log scale)", yscale="log")
    for axis in (accuracy, nll):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
