"""Loss functions: pure functions on tensors, one technique each; the weight of a whole term is the caller's.

Every loss returns a scalar in the dtype of the logits or features, averaged over the batch; gradients go to the student
only. CRD alone has parameters and memory, so it is a module. Labels: `labels`; a teacher's logits: `logits`; its
features: `features` and `contrastive`.

>>> import torch
>>> from kdlib.losses import *
>>> student, teacher, targets = torch.randn(8, 10, requires_grad=True), torch.randn(8, 10), torch.arange(8)
>>> loss = 0.1 * cross_entropy(student, targets) + 0.9 * kd_loss(student, teacher, temperature=4.0)
>>> loss.backward()

Nothing here imports torch until a loss is first used.
"""

from kdlib import lazy

_HOMES = {
    "CRD": "contrastive",
    "adaptive_label_smoothing": "labels",
    "attention_transfer": "features",
    "balanced_softmax": "labels",
    "confidence_penalty": "labels",
    "cross_entropy": "labels",
    "kd_loss": "logits",
    "label_smoothing": "labels",
    "rkd_loss": "features",
    "similarity_preserving": "features",
    "soft_cross_entropy": "logits",
    "wsl_loss": "logits",
}

__getattr__, __dir__, __all__ = lazy.door(__name__, _HOMES)
