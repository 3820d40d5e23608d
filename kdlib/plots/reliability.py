"""Reliability diagrams: how often a network is right when it says how sure it is."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure


def reliability_diagrams(records: Mapping[str, tuple[dict, str]]) -> Figure:
    """A column per network: above, accuracy per confidence bin (bars), its gap to the confidence (hatched) and the band
    in which 95% of a perfectly calibrated network's bins would lie with these counts; below, the images per bin.

    `records` maps a title to (the record's "reliability": lists counts, confidence, accuracy per bin; colour).
    """
    figure, axes = plt.subplots(
        2,
        len(records),
        figsize=(3.5 * len(records), 4.6),
        height_ratios=(3, 1),
        sharex=True,
        sharey="row",
        squeeze=False,
    )
    for (title, (bins, colour)), (above, below) in zip(records.items(), axes.T, strict=True):
        count = np.array(bins["counts"], float)
        confidence, accuracy = (np.array(bins[name], float) for name in ("confidence", "accuracy"))  # NaN where empty
        edges = np.linspace(0, 1, len(count) + 1)
        middle, width = (edges[:-1] + edges[1:]) / 2, 1 / len(count)
        above.bar(middle, accuracy, width, color=colour, alpha=0.75, edgecolor="white", label="accuracy")
        gap = confidence - accuracy
        above.bar(
            middle, gap, width, bottom=accuracy, fill=False, hatch="////", edgecolor="#c44", linewidth=0, label="gap"
        )
        spread = 1.96 * np.sqrt(confidence * (1 - confidence) / count.clip(1))
        low, high = (confidence - spread).clip(0), (confidence + spread).clip(max=1)
        above.vlines(middle, low, high, color="#222", linewidth=2.2, label="95% if calibrated")
        above.plot([0, 1], [0, 1], color="#888", linestyle=":", linewidth=1)
        above.set(title=title, ylim=(0, 1))
        below.bar(middle, count, width, color=colour, alpha=0.75, edgecolor="white")
        below.set(xlabel="confidence", xlim=(0, 1), yscale="log")
    axes[0, 0].set_ylabel("accuracy (share of images)")
    axes[1, 0].set_ylabel("images (log)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
