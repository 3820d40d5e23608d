"""What a long tail of training images leaves in the logits."""

import torch
from torch import Tensor

from kdlib.metrics._checks import checked_predictions
from kdlib.registry import KdlibError


def without_prior(logits: Tensor, class_counts: Tensor) -> Tensor:
    """The logits (N, K) minus log n_c, float64: post-hoc logit adjustment with tau = 1 (Menon et al. 2021).

    A network that learned p(c | x) where class c has n_c training images, `class_counts` (K,), says so what it would
    say of classes that are equally frequent. Raises KdlibError on other shapes, or a class without images.

    >>> without_prior(torch.tensor([[0.9, 0.1]]).log(), torch.tensor([90, 10])).softmax(1)  # no more than the prior
    tensor([[0.5000, 0.5000]], dtype=torch.float64)
    """
    logits = checked_predictions(logits)
    counts = torch.as_tensor(class_counts, dtype=torch.float64, device="cpu")
    if counts.shape != logits.shape[1:]:
        raise KdlibError(f"Class counts have shape {tuple(counts.shape)}: give one a class, ({logits.shape[1]},).")
    if not counts.min() > 0:  # NaN fails too
        raise KdlibError("A class has no training image, and a prior of 0 has no logarithm: give each one or more.")
    return logits - counts.log()
