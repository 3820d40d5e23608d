"""Study A: which way to distil, label objective and mixup make a small network accurate and honest on a long tail?

Its rows are declared without loading its rules and tables, nor torch.
"""

from kdlib import lazy

_HOMES = {
    "KD": "rows",
    "OBJECTIVES": "rows",
    "Row": "rows",
    "UNTAUGHT": "rows",
    "Variant": "rows",
    "is_core": "rows",
    "study": "rules",  # which ties its rules to the claims
}
__getattr__, __dir__, __all__ = lazy.door(__name__, _HOMES)
