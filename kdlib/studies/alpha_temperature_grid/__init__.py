"""Study D: how much of the teacher, and how soft? A grid over the weight alpha and the temperature T.

Its rows are declared without loading its rules and tables, nor torch.
"""

from kdlib import lazy

_HOMES = {
    "BASELINE": "rows",
    "TEACHER": "rows",
    "Row": "rows",
    "study": "rules",  # which ties its rules to the claims
    "as_table": "published",
    "beside_published": "published",
    "printed": "published",
}
__getattr__, __dir__, __all__ = lazy.door(__name__, _HOMES)
