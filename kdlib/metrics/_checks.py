"""What every metric does with its input first."""

import torch
from torch import Tensor

from kdlib.registry import KdlibError


def checked_probs(probs, labels) -> tuple[Tensor, Tensor]:
    """Like `checked_logits`, for probabilities."""
    probs, labels = checked_logits(probs, labels)
    return _within_0_1(probs), labels


def checked_logits(logits, labels) -> tuple[Tensor, Tensor]:
    """The two as float64 (N, K) and int64 (N,) on the CPU: in float64 the order of the images does not matter."""
    logits = checked_predictions(logits)
    labels = torch.as_tensor(labels, dtype=torch.int64, device="cpu")
    if labels.shape != logits.shape[:1]:
        raise KdlibError(f"Labels have shape {tuple(labels.shape)}: give one an image, ({len(logits)},).")
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise KdlibError(f"Labels go from {labels.min()} to {labels.max()}: give 0 to {logits.shape[1] - 1}.")
    return logits, labels


def checked_predictions(values) -> Tensor:
    """Logits or probabilities as float64 (N, K) on the CPU."""
    values = torch.as_tensor(values, dtype=torch.float64, device="cpu").detach()
    if values.ndim != 2 or not values.numel():
        raise KdlibError(f"Predictions have shape {tuple(values.shape)}: give (images, classes), with at least one.")
    return values


def confidences(probs) -> Tensor:
    """The largest probability (N,) of each image, in float64 on the CPU."""
    return _within_0_1(checked_predictions(probs)).amax(1)


def top_label(probs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence (N,) of the predicted class, the first one where several are equal, and whether it is right (N,)."""
    confidence, predicted = probs.max(1)
    return confidence, (predicted == labels).double()


def _within_0_1(probs: Tensor) -> Tensor:
    if not (probs.min() >= 0 and probs.max() <= 1 + 1e-6):  # NaN fails too
        raise KdlibError("The probabilities leave 0..1 or hold NaN: give logits.softmax(1), not the logits.")
    return probs
