"""Study D: how much of the teacher, and how soft? A grid over the weight alpha and the temperature T."""

from kdlib.studies.alpha_temperature_grid import rules  # noqa: F401  (ties its rules to the claims)
from kdlib.studies.alpha_temperature_grid.published import as_table, beside_published
from kdlib.studies.alpha_temperature_grid.rows import BASELINE, TEACHER, Row, study

__all__ = ["BASELINE", "TEACHER", "Row", "as_table", "beside_published", "study"]
