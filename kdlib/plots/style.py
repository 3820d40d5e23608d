"""One look for all figures: colour-blind-safe colours (Okabe & Ito 2008), a colour per role and method throughout."""

from collections.abc import Hashable, Iterable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown, display
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kdlib.registry import KdlibError
from kdlib.studies.imbalance_kd_calibration import DATA, KD
from kdlib.studies.imbalance_kd_calibration import OBJECTIVES as OBJECTIVE_NAMES

ROLES = {
    "plain": "#555555",
    "baseline": "#555555",
    "teacher": "#0072B2",
    "best cell": "#009E73",
    "worst cell": "#D55E00",
}
# Green and vermilion say better and worse (`forest`), so that none of study A's methods has them.
METHODS = {
    "none": ROLES["plain"],
    "control": "#AAAAAA",
    "teacher": ROLES["teacher"],
    "vanilla KD": "#000000",
    "CRD": "#E69F00",
    "RKD": "#56B4E9",
    "AT": "#CC79A7",
}
OBJECTIVES = {"CE": "o", "LS": "v", "ALS": "s", "CP": "^", "BS": "D"}  # markers
NAMES = DATA | KD | OBJECTIVE_NAMES | {"label_smoothing": "LS"}  # what people call a data set or a term


def shades(count: int) -> list[str]:
    """Colours for the values of a quantity, from low (dark) to high."""
    return sns.color_palette("viridis", count).as_hex()


def theme() -> None:
    """To be called once in a notebook, before its first figure."""
    sns.set_theme(
        context="notebook",
        style="ticks",
        rc={
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": "medium",
            "axes.titleweight": "bold",
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "font.size": 10,
            "grid.color": "#e6e6e6",
            "legend.frameon": False,
            "savefig.bbox": "tight",
        },
    )


def show(figure: Figure, sentence: str) -> None:
    """The figure, and under it the sentence that says what to see; in a report it is also the image's description."""
    display(figure)
    plt.close(figure)  # or the notebook would show it a second time
    display(Markdown(sentence))


def present(values: Iterable[Hashable], known: Mapping[Hashable, str], column: str) -> dict[Hashable, str]:
    """The part of a palette (or of a table of markers) that `values` need, in its order; raises KdlibError on a value
    that it lacks."""
    values = set(values)
    if missing := sorted(values - known.keys(), key=str):
        raise KdlibError(
            f"Column '{column}' holds '{missing[0]}', which has no colour or marker: use one of "
            f"{', '.join(map(str, known))}, or add it to the palette or markers."
        )
    return {value: known[value] for value in known if value in values}


def heading(column: str) -> str:
    """A column's name as people read it."""
    return "KD method" if column == "kd" else column.replace("_", " ")


def level(value: Hashable) -> str:
    """A value as people read it: truths as yes and no."""
    return ("no", "yes")[bool(value)] if isinstance(value, (bool, np.bool_)) else str(value)


def levels(values: pd.Series) -> list[Hashable]:
    """The different values of a column: methods and objectives in the order of their tables, others sorted."""
    order = [*METHODS, *OBJECTIVES]
    return sorted(values.dropna().unique(), key=lambda value: (order.index(value) if value in order else -1, value))


def key(label: Hashable, colour: str, marker: str = "o", filled: bool = True) -> Artist:
    """A legend's entry."""
    face = colour if filled else "none"
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markerfacecolor=face, label=level(label))


def _line(text: str) -> Artist:
    return Line2D([], [], linestyle="none", label=text)


def legend(figure: Figure, groups: Mapping[str, Iterable[Artist]]) -> None:
    """A legend right of all panels, its entries under a heading a group."""
    handles, titles = [], []
    for title, entries in groups.items():
        titles.append(len(handles))
        handles += [_line(title), *entries, _line(" ")]
    texts = figure.legend(handles=handles, loc="outside right upper", fontsize=9, handletextpad=0.2).get_texts()
    for place in titles:
        texts[place].set_weight("bold")


def dots(axis: Axes, place: float, values: pd.Series, colour: str, filled: bool = True) -> None:
    """The values side by side around a place on the x axis, in their order, and their median as a bar."""
    values = values.dropna()
    if values.empty:
        return
    sideways = np.linspace(-0.06, 0.06, len(values)) if len(values) > 1 else [0.0]
    face = colour if filled else "none"
    axis.scatter(place + np.array(sideways), values, s=14, color=face, edgecolors=colour, linewidths=0.8, alpha=0.8)
    axis.hlines(values.median(), place - 0.09, place + 0.09, color="#222222", linewidth=2, zorder=4)
