"""What figures are put together from: colours by value, legends with headings, values as dots around their median."""

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from kdlib.registry import KdlibError


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
    return column.replace("_", " ")


def level(value: Hashable) -> str:
    """A value as people read it: truths as yes and no."""
    return ("no", "yes")[bool(value)] if isinstance(value, (bool, np.bool_)) else str(value)


def levels(values: pd.Series, order: Iterable[Hashable] = ()) -> list[Hashable]:
    """The different values of a column: those of `order` as they stand there, then the others, sorted."""
    found, order = set(values.dropna()), list(order)
    return [value for value in order if value in found] + sorted(found.difference(order))


def key(label: Hashable, colour: str, marker: str = "o", filled: bool = True) -> Artist:
    """A legend's entry."""
    face = colour if filled else "none"
    return Line2D([], [], linestyle="none", marker=marker, color=colour, markerfacecolor=face, label=level(label))


def _line(text: str) -> Artist:
    return Line2D([], [], linestyle="none", label=text)


def legend(figure: Figure, groups: Mapping[str, Iterable[Artist]]) -> None:
    """A legend right of all panels, its entries under a heading per group."""
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
