"""Study D: how much of the teacher, and how soft? A grid over the weight alpha and the temperature T.

Its rows are declared without loading its rules and tables, nor torch.
"""

import importlib

_HOME = {
    "BASELINE": "rows",
    "TEACHER": "rows",
    "Row": "rows",
    "study": "rules",  # which ties its rules to the claims
    "as_table": "published",
    "beside_published": "published",
}

__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__():
    return sorted(__all__)
