"""What tests read off figures."""

from contextlib import contextmanager

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex

from kdlib import plots

mpl.use("agg")


@contextmanager
def themed():
    """The look of notebooks; afterwards all figures are closed, and matplotlib is as it was."""
    with mpl.rc_context():
        plots.theme()
        yield
    plt.close("all")


def texts(axis):
    return [text.get_text() for text in axis.texts]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def points(axis):
    """x, y, colour of every point of an axis."""
    offsets = np.vstack([np.empty((0, 2)), *(dots.get_offsets() for dots in axis.collections if len(dots.get_paths()))])
    colours = [to_hex(c) for dots in axis.collections for c in dots.get_edgecolors()]
    return {(x, y): colour for (x, y), colour in zip(offsets.tolist(), colours, strict=True)}


def markers(axis):
    """The collections of dots, without lines."""
    return [one for one in axis.collections if hasattr(one, "get_sizes")]
