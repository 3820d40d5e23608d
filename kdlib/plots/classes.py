"""Many and few images a class: the long tail, and the accuracy of its head, middle and tail."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from kdlib.metrics.scores import Thirds, thirds
from kdlib.plots.style import METHODS, dots, key, legend, levels, present

THIRDS = Thirds._fields


def class_histogram(counts: Mapping[float, Sequence[int]], class_names: Sequence[str]) -> Figure:
    """Training images of each class for each imbalance factor (steps), and the curve that they follow (dashed):
    n_max IF^(-c / (K - 1)), Cao et al. 2019. Thin lines part head, middle and tail.

    `counts` maps an imbalance factor to the images of the classes in the order of `class_names`, the largest first.
    """
    classes = np.arange(len(class_names))
    figure, axis = plt.subplots(figsize=(8.6, 4.2))
    colours = sns.color_palette("viridis", len(counts))
    for (factor, images), colour in zip(sorted(counts.items()), colours, strict=True):
        label = f"imbalance factor {factor:g}: {sum(images):,} images"
        axis.stairs(images, np.arange(len(images) + 1) - 0.5, color=colour, linewidth=2, baseline=None, label=label)
        axis.plot(classes, images[0] * factor ** (-classes / (len(classes) - 1)), "--", color=colour, linewidth=1)
    edges = np.array([0, *(part.stop for part in thirds(len(classes)))]) - 0.5
    for edge in edges[1:3]:
        axis.axvline(edge, color="#999999", linewidth=0.8)
    for name, middle in zip(THIRDS, (edges[:-1] + edges[1:]) / 2, strict=True):
        axis.text(middle, 1.01, name, transform=axis.get_xaxis_transform(), ha="center", color="#555555", fontsize=10)
    axis.set(yscale="log", xlim=edges[[0, -1]], xlabel="class", ylabel="training images (log scale)")
    axis.yaxis.set_major_formatter("{x:,.0f}")
    if len(classes) <= 20:
        axis.set_xticks(classes, class_names, rotation=30, ha="right", rotation_mode="anchor")
    else:
        axis.set_xlabel("class, by its number of training images")
    axis.grid(axis="x", visible=False)
    axis.plot([], [], "--", color="#555555", linewidth=1, label="$n_\\mathrm{max}\\,\\mathrm{IF}^{-c/(K-1)}$")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def third_accuracies(rows: pd.DataFrame) -> Figure:
    """Accuracy over the classes of the head, the middle and the tail third: a panel a student objective, a colour a KD
    method, a dot a row, a bar their median.

    `rows` has columns student_objective, kd, and "head %", "middle %" and "tail %".
    """
    objectives, colours = levels(rows["student_objective"]), present(rows["kd"], METHODS, "kd")
    size = (2.6 * len(objectives) + 1.9, 3.9)
    figure, axes = plt.subplots(1, len(objectives), figsize=size, sharey=True, squeeze=False)
    beside = min(0.2, 0.84 / len(colours)) * (np.arange(len(colours)) - (len(colours) - 1) / 2)
    for axis, objective in zip(axes[0], objectives, strict=True):
        inside = rows[rows["student_objective"] == objective]
        for (method, colour), shift in zip(colours.items(), beside, strict=True):
            for place, third in enumerate(THIRDS):
                dots(axis, place + shift, inside.loc[inside["kd"] == method, f"{third} %"], colour)
        axis.set(title=f"student objective {objective}", xlim=(-0.6, 2.6))
        axis.set_xticks(range(len(THIRDS)), THIRDS)
        axis.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("accuracy over the classes (%)")
    legend(figure, {"KD method": [key(method, colour) for method, colour in colours.items()]})
    return figure
