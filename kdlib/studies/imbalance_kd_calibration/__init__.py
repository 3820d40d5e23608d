"""Study A: which way to distil, label objective and mixup make a small network accurate and honest on a long tail?"""

from kdlib.studies.imbalance_kd_calibration import rules  # noqa: F401  (ties its rules to the claims)
from kdlib.studies.imbalance_kd_calibration.rows import KD, OBJECTIVES, Row, study

__all__ = ["KD", "OBJECTIVES", "Row", "study"]
