"""The figures of the studies: one look, axes with units, a sentence under each."""

from kdlib.plots.classes import class_histogram
from kdlib.plots.curves import training_curves
from kdlib.plots.differences import forest, main_effects
from kdlib.plots.published import published_against_ours
from kdlib.plots.reliability import reliability_diagrams
from kdlib.plots.style import ROLES, shades, show, theme
from kdlib.plots.table import folded, table, words
from kdlib.plots.tradeoff import accuracy_against_ece

__all__ = [
    "ROLES",
    "accuracy_against_ece",
    "class_histogram",
    "folded",
    "forest",
    "main_effects",
    "published_against_ours",
    "reliability_diagrams",
    "shades",
    "show",
    "table",
    "theme",
    "training_curves",
    "words",
]
