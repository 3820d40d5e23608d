"""Study A: which way to distil, label objective and mixup make a small network accurate and honest on a long tail?

Its rows are declared without loading its rules and tables, nor torch.
"""

import importlib

_HOME = {
    "KD": "rows",
    "OBJECTIVES": "rows",
    "Row": "rows",
    "study": "rules",  # which ties its rules to the claims
}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return sorted(__all__)
