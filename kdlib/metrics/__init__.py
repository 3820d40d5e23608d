"""Accuracy and calibration over a whole test set, from stored predictions: pure functions on tensors.

`probs` or `logits` are (N, K), `labels` (N,), of any kind that torch.as_tensor takes; all is computed in float64 on the
CPU. Errors are fractions (0.05 is 5 percentage points), NLL is in nats per image. Nothing here is a mean over batches.
A metric raises KdlibError on predictions or labels of another shape, labels outside 0 to K - 1, probabilities outside
0..1, and NaN among them.

>>> import torch
>>> from kdlib.metrics import *
>>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
>>> accuracy(probs, labels), round(ece(probs, labels), 2), round(brier(probs, labels), 2)
(0.75, 0.35, 0.35)

Nothing here imports torch until a metric is first used.
"""

from kdlib import lazy

_HOMES = {
    "accuracy": "scores",
    "adaptive_ece": "binned",
    "bootstrap": "resampling",
    "brier": "scores",
    "brier_decomposition": "scores",
    "classwise_ece": "binned",
    "ece": "binned",
    "ece_noise_floor": "noise",
    "fit_temperature": "temperature",
    "harmonic_score": "scores",
    "mce": "binned",
    "nll": "scores",
    "overconfidence_error": "binned",
    "reliability": "binned",
    "smooth_ece": "smooth",
    "underconfidence_error": "binned",
}

__getattr__, __dir__, __all__ = lazy.door(__name__, _HOMES)
