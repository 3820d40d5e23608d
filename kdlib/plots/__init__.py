"""The figures of the studies: one palette, axes with units, a sentence under each."""

from kdlib.plots.classes import class_histogram, third_accuracies
from kdlib.plots.curves import training_curves
from kdlib.plots.differences import forest, main_effects
from kdlib.plots.gradients import gradient_norms
from kdlib.plots.published import published_against_ours
from kdlib.plots.ranking import ranked_scores
from kdlib.plots.reliability import reliability_diagrams
from kdlib.plots.style import METHODS, NAMES, OBJECTIVES, ROLES, shades, show, theme
from kdlib.plots.table import folded, table, words
from kdlib.plots.tradeoff import accuracy_against_ece

__all__ = [
    "METHODS",
    "NAMES",
    "OBJECTIVES",
    "ROLES",
    "accuracy_against_ece",
    "class_histogram",
    "folded",
    "forest",
    "gradient_norms",
    "main_effects",
    "published_against_ours",
    "ranked_scores",
    "reliability_diagrams",
    "shades",
    "show",
    "table",
    "theme",
    "third_accuracies",
    "training_curves",
    "words",
]
