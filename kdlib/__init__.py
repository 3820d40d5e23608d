"""kdlib: knowledge distillation and calibration, studied so that a person can trust, rerun and read it.

Nothing heavy is imported until a name is first used.
"""

from kdlib import lazy

_HOMES = {
    "Run": "run",
    "Term": "run",
    "KdlibError": "registry",
    "networks": "models",
    "terms": "objective",
    "augmentations": "augment",
    "mixings": "augment",
    "datasets": "data",
    "evaluations": "evaluate",
    "train": "training",
    "plan": "training",
    "record": "lookup",
    "model": "lookup",
    "logits": "lookup",
    "evaluation": "evaluate",
}
_ROOMS = (
    "augment", "bench", "data", "evaluate", "intervals", "losses", "metrics", "models", "objective", "plots", "report",
    "run", "store", "studies", "training",
)  # fmt: skip

__getattr__, __dir__, __all__ = lazy.door(__name__, _HOMES, _ROOMS)
