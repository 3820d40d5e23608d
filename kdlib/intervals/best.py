"""Whether a row is the best of its table."""

from collections.abc import Hashable, Mapping

import numpy as np

from kdlib.intervals.comparisons import TAILS, Interval
from kdlib.intervals.measurements import Measurement
from kdlib.registry import KdlibError


def lead(table: Mapping[Hashable, Measurement], name: Hashable, kind: str) -> Interval:
    """The row's figure minus that of the best other row: multiple comparisons with the best (after Hsu 1984).

    `table` maps each row to its measurement, more being better; `kind` says what the replicates take into account. The
    best of many looks better than it is, and better still after resampling: percentiles of the difference to each
    replicate's best say of one of 32 equally good rows that it is not the best in 3 of 4 simulated tables; these here
    in about 1 of 100. The row is ahead if it is ahead of each other row, so the lower end is the lowest of
    the differences' own; it is behind if any is better, so the upper ends hold for all differences at once.
    KdlibError where the table lacks the row, or has no other.
    """
    differences = [table[name] - measured for measured in _others(table, name)]
    ahead = np.array([one.value for one in differences])
    deviations = np.stack([one.deviations for one in differences])
    errors = deviations.std(axis=1, ddof=1, keepdims=True)
    standardised = np.divide(-deviations, errors, out=np.zeros_like(deviations), where=errors > 0)
    low = (ahead + np.quantile(deviations, TAILS[0], axis=1)).min()
    high = (ahead + np.quantile(standardised.max(axis=0), TAILS[1]) * errors[:, 0]).min()
    return Interval(ahead.min(), low, high, kind)


def standing(table: Mapping[Hashable, Measurement], name: Hashable) -> tuple[int, int, int]:
    """The row's place in its table, 1 being the best; in how many replicates it is the first; and of how many.
    KdlibError as for `lead`."""
    others = _others(table, name)
    best = np.max([measured.replicates for measured in others], axis=0)
    place = 1 + sum(measured.value > table[name].value for measured in others)
    return place, int((table[name].replicates > best).sum()), len(best)


def _others(table: Mapping[Hashable, Measurement], name: Hashable) -> list[Measurement]:
    """All rows but this one."""
    if name not in table:
        raise KdlibError(f"Row '{name}' is not among the {len(table)} of its table: give one that was measured.")
    if len(table) < 2:
        raise KdlibError(f"Row '{name}' stands alone in its table: give at least one other to be ahead of.")
    return [measured for other, measured in table.items() if other != name]
