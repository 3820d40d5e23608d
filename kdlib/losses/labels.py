"""Losses on hard labels: what replaces plain cross-entropy.

All take `logits` (B, K), `targets` (B,), int64 class indices, and `weights` (B,) or None, and return mean_i w_i L_i in
nats: divided by B, not by the sum of the weights, so that the several labels of a mixed image, whose weights sum to 1,
add up. All raise KdlibError where `weights` are of another shape.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kdlib.registry import KdlibError


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """The logarithmic score -log p_y, in nats (Good 1952).

    `logits` (B, K), `targets` (B,), `weights` (B,) or None; raises KdlibError on weights of another shape.

    >>> cross_entropy(torch.tensor([[2.0, 0.0]]), targets=torch.tensor([0]))
    tensor(0.1269)
    """
    return _weighted_mean(F.cross_entropy(logits, targets, reduction="none"), weights)


def label_smoothing(logits: Tensor, targets: Tensor, epsilon: float, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy to 1 - epsilon + epsilon/K on the label and epsilon/K elsewhere (Szegedy et al. 2016).

    `logits` (B, K), `targets` (B,), `weights` (B,) or None; raises KdlibError on weights of another shape.

    >>> label_smoothing(torch.tensor([[2.0, 0.0]]), targets=torch.tensor([0]), epsilon=0.1)
    tensor(0.2269)
    """
    return _weighted_mean(_smoothed(logits, targets, epsilon), weights)


def adaptive_label_smoothing(
    logits: Tensor, targets: Tensor, class_counts: Tensor, head: float, tail: float, weights: Tensor | None = None
) -> Tensor:
    """Label smoothing whose epsilon rises from `tail` (the rarest class) to `head` (the most frequent one).

    epsilon_c = tail + (head - tail) sin(pi/2 (n_c - n_min) / (n_max - n_min)), or `head` for every class where all
    counts are equal: the concave form of label-aware smoothing (MiSLAS: Zhong et al. 2021). `logits` (B, K), `targets`
    (B,), `class_counts` (K,) training images per class, `weights` (B,) or None; raises KdlibError on other shapes.

    >>> logits, targets = torch.tensor([[2.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 1])
    >>> adaptive_label_smoothing(logits, targets, class_counts=torch.tensor([100, 10]), head=0.3, tail=0.0)
    tensor(0.2769)
    """
    counts = _counts(class_counts, logits)
    spread = counts.max() - counts.min()
    share = torch.where(spread > 0, (counts - counts.min()) / spread.clamp(min=1), 1.0)
    epsilon = tail + (head - tail) * torch.sin(math.pi / 2 * share)
    return _weighted_mean(_smoothed(logits, targets, epsilon[targets]), weights)


def confidence_penalty(logits: Tensor, targets: Tensor, beta: float, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy - beta * entropy of the prediction: raises the entropy (Pereyra et al. 2017).

    `logits` (B, K), `targets` (B,), `weights` (B,) or None; raises KdlibError on weights of another shape.

    >>> confidence_penalty(torch.tensor([[2.0, 0.0]]), targets=torch.tensor([0]), beta=0.1)
    tensor(0.0904)
    """
    log_probs = logits.log_softmax(1)
    entropy = -(log_probs.exp() * log_probs).sum(1)
    return _weighted_mean(F.nll_loss(log_probs, targets, reduction="none") - beta * entropy, weights)


def balanced_softmax(logits: Tensor, targets: Tensor, class_counts: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of z + log n_c; the raw z is what predicts (Ren et al. 2020).

    `logits` z (B, K), `targets` (B,), `class_counts` n (K,) training images per class, `weights` (B,) or None; raises
    KdlibError on other shapes.

    >>> logits, targets = torch.tensor([[2.0, 0.0]]), torch.tensor([1])
    >>> balanced_softmax(logits, targets, class_counts=torch.tensor([100, 10]))
    tensor(4.3160)
    """
    return cross_entropy(logits + _counts(class_counts, logits).log(), targets, weights)


def _smoothed(logits: Tensor, targets: Tensor, epsilon: float | Tensor) -> Tensor:
    log_probs = logits.log_softmax(1)
    hard = F.nll_loss(log_probs, targets, reduction="none")
    return (1 - epsilon) * hard - epsilon * log_probs.mean(1)


def _weighted_mean(losses: Tensor, weights: Tensor | None) -> Tensor:
    if weights is None:
        return losses.mean()
    if weights.shape != losses.shape:  # (B, 1) would broadcast to (B, B) without a word
        raise KdlibError(f"weights have shape {tuple(weights.shape)}: give {tuple(losses.shape)}, one per image.")
    return (weights * losses).mean()


def _counts(class_counts: Tensor, logits: Tensor) -> Tensor:
    dtype = torch.promote_types(logits.dtype, torch.float32)  # bf16 could not tell 4500 from 4510
    counts = torch.as_tensor(class_counts, dtype=dtype, device=logits.device)
    if counts.shape != logits.shape[1:]:
        raise KdlibError(f"class_counts has shape {tuple(counts.shape)}: give one count per class, {logits.shape[1]}.")
    return counts
