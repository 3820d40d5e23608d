"""Accuracy and calibration over a whole test set, from stored logits: pure functions on tensors.

Computed in float64 on the CPU, whatever is given. Nothing here is a mean over batches.
"""

from kdlib.metrics.binned import (
    adaptive_ece,
    classwise_ece,
    ece,
    equal_mass,
    equal_width,
    mce,
    overconfidence_error,
    reliability,
    underconfidence_error,
)
from kdlib.metrics.bootstrap import bootstrap, bootstrap_scores
from kdlib.metrics.noise import ece_noise_floor
from kdlib.metrics.scores import (
    Thirds,
    accuracy,
    brier,
    brier_decomposition,
    harmonic_score,
    nll,
    third_accuracies,
    thirds,
)
from kdlib.metrics.smooth import smooth_ece
from kdlib.metrics.temperature import fit_temperature

__all__ = [
    "Thirds",
    "accuracy",
    "adaptive_ece",
    "bootstrap",
    "bootstrap_scores",
    "brier",
    "brier_decomposition",
    "classwise_ece",
    "ece",
    "ece_noise_floor",
    "equal_mass",
    "equal_width",
    "fit_temperature",
    "harmonic_score",
    "mce",
    "nll",
    "overconfidence_error",
    "reliability",
    "smooth_ece",
    "third_accuracies",
    "thirds",
    "underconfidence_error",
]
