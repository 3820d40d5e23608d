"""Many and few images per class: the long tail."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from kdlib.metrics.scores import Thirds, thirds
from kdlib.plots.style import GREY

THIRDS = Thirds._fields


def class_histogram(counts: Mapping[float, Sequence[int]], class_names: Sequence[str]) -> Figure:
    """Training images of each class for each imbalance factor (steps), and the curve that they follow (dashed):
    n_max IF^(-c / (K - 1)), Cao et al. 2019. Thin lines part head, middle and tail.

    `counts` maps an imbalance factor to the images of the classes in the order of `class_names`, the largest first.
    """
    classes = np.arange(len(class_names))
    figure, axis = plt.subplots(figsize=(8.6, 4.2))
    colours = sns.color_palette("viridis", len(counts))
    for (imbalance_factor, images), colour in zip(sorted(counts.items()), colours, strict=True):
        label = f"imbalance factor {imbalance_factor:g}: {sum(images):,} images"
        axis.stairs(images, np.arange(len(images) + 1) - 0.5, color=colour, linewidth=2, baseline=None, label=label)
        axis.plot(
            classes, images[0] * imbalance_factor ** (-classes / (len(classes) - 1)), "--", color=colour, linewidth=1
        )
    edges = np.array([0, *(part.stop for part in thirds(len(classes)))]) - 0.5
    for edge in edges[1:3]:
        axis.axvline(edge, color="#999999", linewidth=0.8)
    for name, middle in zip(THIRDS, (edges[:-1] + edges[1:]) / 2, strict=True):
        axis.text(middle, 1.01, name, transform=axis.get_xaxis_transform(), ha="center", color=GREY, fontsize=10)
    axis.set(yscale="log", xlim=edges[[0, -1]], xlabel="class", ylabel="training images (log scale)")
    axis.yaxis.set_major_formatter("{x:,.0f}")
    if len(classes) <= 20:
        axis.set_xticks(classes, class_names, rotation=30, ha="right", rotation_mode="anchor")
    else:
        axis.set_xlabel("class, by its number of training images")
    axis.grid(axis="x", visible=False)
    axis.plot([], [], "--", color=GREY, linewidth=1, label="$n_\\mathrm{max}\\,\\mathrm{IF}^{-c/(K-1)}$")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
