"""Study A: which way to distil, label objective and mixup are accurate and honest on a long tail?"""

from kdlib.studies.imbalance_kd_calibration import rules  # noqa: F401  (ties its rules to the claims)
