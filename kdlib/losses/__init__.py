"""Loss functions: pure functions on tensors, one technique each; the weight of a whole term is the caller's.

Every loss returns a scalar, averaged over the batch; gradients go to the student only. CRD alone has parameters and
memory, so it is a module.
"""

from kdlib.losses.contrastive import CRD
from kdlib.losses.features import attention_transfer, rkd_loss, similarity_preserving
from kdlib.losses.labels import (
    adaptive_label_smoothing,
    balanced_softmax,
    confidence_penalty,
    cross_entropy,
    label_smoothing,
)
from kdlib.losses.logits import kd_loss, soft_cross_entropy, wsl_loss

__all__ = [
    "CRD",
    "adaptive_label_smoothing",
    "attention_transfer",
    "balanced_softmax",
    "confidence_penalty",
    "cross_entropy",
    "kd_loss",
    "label_smoothing",
    "rkd_loss",
    "similarity_preserving",
    "soft_cross_entropy",
    "wsl_loss",
]
