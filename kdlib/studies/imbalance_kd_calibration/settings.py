"""The parameters of rows beside the table, checked before a row is made of them."""

import contextlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from kdlib.registry import KdlibError, unknown
from kdlib.studies.imbalance_kd_calibration.rows import KD, UNTAUGHT


def check_settings(tried: Mapping[str, Any], tuned: Mapping[str, Any], teacher_seeds: Iterable[int] = ()) -> None:
    """KdlibError on a method that nobody knows; where an entry of `tried` is no list of step sizes by the divisor of a
    weight, or one of `tuned` no pair of a divisor and a step size; where a student without a teacher has another
    divisor than 1; and where another teacher has the seed of the table's own, 0."""
    known = [*KD, *UNTAUGHT]
    for method in [*tried, *tuned]:
        if method not in known:
            raise KdlibError(unknown("method", method, known))
    for method, given in tried.items():
        if not (isinstance(given, Mapping) and all(map(_are_positive, [_divisors(given), *given.values()]))):
            raise KdlibError(
                f"tried: {method} is {given!r}: give lists of step sizes by the weight's divisor, such as "
                "{1: [0.05, 0.1]}."
            )
    for method, given in tuned.items():
        if not (_are_positive(given) and len(given) == 2):
            raise KdlibError(f"tuned: {method} is {given!r}: give [divisor, step size], such as [1, 0.1].")
    for method in UNTAUGHT:
        for divisor in [*_divisors(tried.get(method, {})), *tuned.get(method, [])[:1]]:
            if divisor != 1:
                raise KdlibError(f"The {method} has the divisor {divisor:g}, but no teacher's term to divide: give 1.")
    if 0 in teacher_seeds:
        raise KdlibError("teacher_seeds has 0, the seed of the table's own teachers: give others.")


def _divisors(given: Mapping[Any, Any]) -> list[Any]:
    """The keys as numbers: papermill writes those of a mapping as texts."""
    with contextlib.suppress(ValueError):
        return [float(key) if isinstance(key, str) else key for key in given]
    return [*given]


def _are_positive(given: Any) -> bool:
    """Whether it is a list of positive numbers."""
    return isinstance(given, (list, tuple)) and all(map(_is_positive, given))


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
