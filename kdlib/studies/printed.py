"""What a source printed, as rows of records: its own table then goes through the same rules as ours.

A record made of a printed figure holds what rules read, and no more noise than is known. Of the test images that is
the binomial deviation of an accuracy, drawn for each row apart, as no source prints which images its networks share:
the interval of a difference of two rows is then wider than it would be if it were paired, and that of a mean over pairs
lacks what test images do to all pairs alike. (On our own rows of study A, the deviation that test images give to means
over 32 pairs is 0.4 to 1.3 times what independent ones would, and 3 times where a method adds ten points.) Of an ECE
nothing is known. The sources chose by test accuracy, which
therefore stands where ours have that of held-out images.
"""

import math
from collections.abc import Hashable, Mapping

import numpy as np

from kdlib import draws
from kdlib.metrics.resampling import REPLICATES

TEST_IMAGES = 10_000  # of CIFAR-10, which all tables here are of
_EVENLY = np.array([-1.0, 0.0, 1.0])  # three figures of mean 0 and standard deviation 1, by ddof 1


def once(row: Hashable, data: str, **figures: float) -> dict[int, dict]:
    """A row that ran once, by its printed figures: fractions, accuracy always. Its training noise is not known, so that
    no interval of it decides a claim."""
    return {0: _record(row, data, figures)}


def three_times(row: Hashable, data: str, **figures: tuple[float, float]) -> dict[int, dict]:
    """A row of which means over three runs are printed with their standard deviations: (mean, deviation) by metric, in
    fractions, accuracy always.

    The three made figures have both. The deviation is taken as one by ddof 1; by ddof 0, which sources seldom tell
    apart, training noise would be sqrt(3/2) times as large. The row's name draws which repeat has which figure, so that
    rows that are subtracted repeat by repeat have no luck in common, on average.
    """
    orders = {metric: draws.permutation(3, "printed repeats", metric, str(row)) for metric in figures}
    made = {metric: mean + deviation * _EVENLY[orders[metric]] for metric, (mean, deviation) in figures.items()}
    return {repeat: _record(row, data, {m: float(each[repeat]) for m, each in made.items()}) for repeat in range(3)}


def _record(row: Hashable, data: str, figures: Mapping[str, float]) -> dict:
    accuracy = figures["accuracy"]
    errors = {"accuracy": math.sqrt(accuracy * (1 - accuracy) / TEST_IMAGES)}
    luck = draws.normal(REPLICATES, "printed test images", str(row))
    return {
        "key": f"printed: {row}",
        "spec": {"data": data},
        "metrics": {"last": {"raw": dict(figures), "held_out": {"accuracy": accuracy}}},
        "bootstrap": {metric: value + errors.get(metric, 0.0) * luck for metric, value in figures.items()},
        # One bin of images that are taken as certain: no noise explains its gap, and debiasing leaves the ECE as it is.
        "reliability": {"counts": [TEST_IMAGES], "confidence": [1.0], "accuracy": [1.0 - figures.get("ece", 0.0)]},
    }
