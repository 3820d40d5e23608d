"""Loss functions: pure functions on tensors, one technique each; the weight of a whole term is the caller's.

Every loss returns a scalar, averaged over the batch; gradients go to the student only. CRD alone has parameters and
memory, so it is a module. Nothing here imports torch until a loss is first used.
"""

import importlib

_HOME = {
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

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"kdlib.losses.{_HOME[name]}"), name)
    if name in _HOME.values():
        return importlib.import_module(f"kdlib.losses.{name}")
    raise AttributeError(f"module 'kdlib.losses' has no attribute '{name}'")


def __dir__():
    return sorted(__all__)
