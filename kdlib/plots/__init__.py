"""The figures of the studies: one palette, axes with units, a sentence under each."""

from kdlib.plots.curves import training_curves
from kdlib.plots.differences import forest
from kdlib.plots.grid import heatmaps, temperature_lines
from kdlib.plots.reliability import reliability_diagrams
from kdlib.plots.style import ROLES, show, theme
from kdlib.plots.table import table, words

__all__ = [
    "ROLES",
    "forest",
    "heatmaps",
    "reliability_diagrams",
    "show",
    "table",
    "temperature_lines",
    "theme",
    "training_curves",
    "words",
]
