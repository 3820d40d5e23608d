"""kdlib: knowledge distillation and calibration, studied so that a person can trust, rerun and read it.

Nothing heavy is imported until a name is first used.
"""

import importlib

_HOME = {
    "Run": "kdlib.run",
    "Term": "kdlib.run",
    "KdlibError": "kdlib.registry",
    "networks": "kdlib.models",
    "terms": "kdlib.objective",
    "augmentations": "kdlib.augment",
    "mixings": "kdlib.augment",
    "datasets": "kdlib.data",
    "evaluations": "kdlib.evaluate",
    "train": "kdlib.training",
    "plan": "kdlib.training",
    "record": "kdlib.lookup",
    "model": "kdlib.lookup",
    "logits": "kdlib.lookup",
    "evaluation": "kdlib.evaluate",
}
_ROOMS = (
    "augment", "bench", "data", "evaluate", "intervals", "losses", "metrics", "models", "objective", "plots", "report",
    "run", "store", "studies", "training",
)  # fmt: skip

__all__ = [*_HOME, *_ROOMS]


def __getattr__(name: str):
    if name in _ROOMS:
        return importlib.import_module(f"kdlib.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'kdlib' has no attribute '{name}'")


def __dir__():
    return sorted(__all__)
