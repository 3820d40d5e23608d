"""How strongly each term pulls at the student."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from kdlib.plots.style import METHODS, dots, key, legend, levels, present

MOMENTS = ("first epoch", "last epoch")


def gradient_norms(rows: pd.DataFrame) -> Figure:
    """The gradient's norm of the teacher's term divided by that of the label objective: a panel a term, for each label
    objective the first epoch (open) and the last (filled), a dot a row, a bar their median. At 1 both pull alike.

    `rows` has columns kd, student_objective, "first epoch" and "last epoch": the ratios, each term with its weight. On
    the log axis a ratio of 0 has no place: such rows are counted at the foot.
    """
    colours, objectives = present(rows["kd"], METHODS, "kd"), levels(rows["student_objective"])
    size = (2.5 * len(colours) + 1.9, 3.9)
    figure, axes = plt.subplots(1, len(colours), figsize=size, sharey=True, squeeze=False)
    for axis, (method, colour) in zip(axes[0], colours.items(), strict=True):
        inside = rows[rows["kd"] == method]
        for place, objective in enumerate(objectives):
            for moment, shift, filled in zip(MOMENTS, (-0.18, 0.18), (False, True), strict=True):
                ratios = inside.loc[inside["student_objective"] == objective, moment]
                dots(axis, place + shift, ratios.where(ratios > 0), colour, filled)
                if zeros := int((ratios == 0).sum()):
                    foot = axis.get_xaxis_transform()
                    axis.text(
                        place + shift, 0.01, f"{zeros} at 0", transform=foot, rotation=90, ha="center", fontsize=8
                    )
        axis.axhline(1, color="#888888", linestyle=":", linewidth=1.2)
        axis.set(title=method, yscale="log", xlim=(-0.6, len(objectives) - 0.4), xlabel="label objective")
        axis.set_xticks(np.arange(len(objectives)), objectives)
        axis.grid(axis="x", visible=False)
    axes[0, 0].set_ylabel("gradient norm: term / label objective (log)")
    entries = [key("first", "#555555", filled=False), key("last", "#555555")]
    legend(figure, {"epoch": entries})
    return figure
