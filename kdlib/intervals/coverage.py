"""How often the intervals of kdlib.intervals.comparisons hold the truth: a simulation in which the truth is known.

Test sets are drawn from a population of which everything is known (kdlib.intervals.population). What is simulated is a
study: for each method, the records of its exact network and of some of its trainings on one and the same test set.
Each case makes an interval of them, and knows the truth that the interval should hold.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from kdlib import metrics
from kdlib.intervals import population
from kdlib.intervals.comparisons import Interval
from kdlib.intervals.measurements import Measurement, Row, measurement
from kdlib.intervals.noise import TrainingNoise, training_noise
from kdlib.intervals.population import Network
from kdlib.intervals.rivals import ESTIMATORS, Known
from kdlib.metrics.resampling import image_values, resampled_mean, scores
from kdlib.registry import KdlibError

VERSION = 1  # of what is measured: raised when an interval, a rival or the simulation gives other figures
METRICS = ("accuracy", "nll", "brier", "ece")
_LENDER, _LENT = "ECE .01 too", 5  # whose training noise is borrowed, and its repeats


@dataclass(frozen=True, eq=False)
class Study:
    """What the networks of one replication score on its test set, by method: the exact network, then its trainings."""

    measured: dict[str, list[dict[str, Measurement]]]  # each network's metrics
    floors: dict[str, float]  # the 95% level of the noise floor of the exact network's ECE

    def row(self, method: str, repeats: int, metric: str) -> Row:
        """The repeats of a method, or with 0 its exact network."""
        networks = self.measured[method]
        chosen = networks[1 : repeats + 1] if repeats else networks[:1]
        return {repeat: network[metric] for repeat, network in enumerate(chosen)}

    def lent(self, metric: str) -> TrainingNoise:
        """The training noise of another method."""
        return training_noise([self.row(_LENDER, _LENT, metric)])


@dataclass(frozen=True)
class Case:
    """An interval to be tested, of one method or the difference of two; with 0 repeats, of the exact network."""

    methods: tuple[str, ...]
    repeats: tuple[int, ...]
    metric: str
    estimator: str = "kdlib"

    @property
    def name(self) -> str:
        number = {0: "one run", 1: "one run, borrowed noise"}.get(self.repeats[0], f"{self.repeats[0]} repeats")
        against = " (of 5 repeats)" if self.repeats == (1, 5) else ""
        return f"{number}: {' minus '.join(self.methods)}{against}"

    @property
    def trainings(self) -> dict[str, int]:
        """How many of each method the case needs, the lender of its noise included."""
        lender = {_LENDER: _LENT} if 1 in self.repeats else {}
        return lender | dict(self._counted)

    def truth(self, networks: dict[str, list[Network]]) -> float:
        """What the interval should hold: of the exact networks, or the mean of all trainings."""
        methods = [networks[name][1:] if count else networks[name][:1] for name, count in self._counted]
        first, *others = (float(np.mean([each.truth[self.metric] for each in members])) for members in methods)
        return first - sum(others)

    def interval(self, study: Study) -> Interval:
        rows = [study.row(name, count, self.metric) for name, count in self._counted]
        noise = study.lent(self.metric) if 1 in self.repeats else None
        return ESTIMATORS[self.estimator](rows, Known(noise, study.floors[self.methods[0]]))

    @property
    def _counted(self) -> list[tuple[str, int]]:
        return list(zip(self.methods, self.repeats, strict=True))


def all_cases() -> list[Case]:
    """One run, repeats and differences by our intervals, and some by other estimators."""
    eces = [("ECE 0",), ("ECE .01",), ("ECE .02",), ("ECE .07",)]
    pairs = [("ECE 0", "ECE .01"), ("ECE .01", "ECE .02"), ("ECE .02", "ECE .07"), ("ECE .01", "ECE .01 too")]
    one_bin = [("ECE .02, one bin",), ("ECE .02", "ECE .02, one bin")]
    rivals = {0: ["percentile", "basic", "floor rule"], 1: [], 3: ["plain sum"], 5: ["plain sum"]}
    cases = []
    for number, others in rivals.items():
        for methods in [eces[2], pairs[1]]:
            estimators = ["kdlib", *others[-1:]] if number > 1 else ["kdlib"]
            cases += [(methods, number, metric, each) for metric in METRICS[:3] for each in estimators]
        for methods in eces + pairs + one_bin * (number == 0):
            cases += [(methods, number, "ece", each) for each in ["kdlib", *others[: 3 if len(methods) == 1 else 2]]]
    repeats = {(1, 2): (1, 5)}  # of a single run, the difference to a row that was repeated
    both_borrow = [Case(pairs[1], (1, 1), metric) for metric in ("accuracy", "ece", "nll", "brier")]
    of_each = [Case(of, repeats.get((n, len(of)), (n,) * len(of)), metric, each) for of, n, metric, each in cases]
    return of_each + both_borrow


def simulate(
    replications: int = 1000, seed: int = 0, images: int = 10_000, cases: Iterable[Case] | None = None
) -> pd.DataFrame:
    """Draws test sets and counts how often each case's interval holds the truth. A row per case: `case`, `metric`,
    `true value`, `estimator`, and what is `counted`. KdlibError where a number makes no test set."""
    for name, value, least in [("replications", replications, 1), ("images", images, 1), ("seed", seed, 0)]:
        if value < least:
            raise KdlibError(f"{name} is {value}: give {least} or more.")
    cases = list(all_cases() if cases is None else cases)
    trainings = _needed(cases)
    networks = {method: population.networks(method, count > 0) for method, count in trainings.items()}
    studies = _studies(networks, trainings, images, np.random.default_rng(seed))
    found = [[case.interval(study) for case in cases] for study in islice(studies, replications)]
    return pd.DataFrame([_result(case, case.truth(networks), ends) for case, *ends in zip(cases, *found, strict=True)])


def _needed(cases: list[Case]) -> dict[str, int]:
    """How many trainings of each method serve all cases; the lender of noise included."""
    needed = dict.fromkeys((method for case in cases for method in case.methods), 0)
    for case in cases:
        needed |= {method: max(needed.get(method, 0), count) for method, count in case.trainings.items()}
    return needed


def _studies(
    networks: dict[str, list[Network]], trainings: dict[str, int], images: int, rng: np.random.Generator
) -> Iterator[Study]:
    """One after the other, without end: each on a test set of its own, with trainings of its own."""
    floors = {method: _floor(exact.logits[:images]) for method, (exact, *_) in networks.items()}
    while True:
        chosen = rng.integers(population.IMAGES, size=images)
        labels = population.drawn_labels(chosen, rng)
        picks = {method: [0, *rng.integers(1, population.TRAINED + 1, count)] for method, count in trainings.items()}
        answers = [networks[method][pick].logits[chosen] for method in picks for pick in picks[method]]
        measured = iter(_measured(answers, labels))
        yield Study({method: [next(measured) for _ in picks[method]] for method in picks}, floors)


def _floor(logits: Tensor) -> float:
    return metrics.ece_noise_floor(logits.softmax(1)).level95


def _measured(logits: list[Tensor], labels: Tensor) -> list[dict[str, Measurement]]:
    """Each network's metrics as read from what kdlib.training would keep of it on this test set."""
    values = torch.cat([image_values(each, labels) for each in logits], dim=1)
    means, resampled = (of.unflatten(-1, (len(logits), -1)) for of in (values.mean(0), resampled_mean(values)))
    raw, replicates = scores(means), scores(resampled)
    records = [
        {
            "metrics": {"last": {"raw": {name: raw[name][index].item() for name in raw}}},
            "bootstrap": {name: replicates[name][:, index].numpy() for name in raw},
            "reliability": metrics.reliability(each.softmax(1), labels)._asdict(),
        }
        for index, each in enumerate(logits)
    ]
    return [{metric: measurement(record, metric) for metric in METRICS} for record in records]


def _result(case: Case, truth: float, intervals: list[Interval]) -> dict:
    what = {"case": case.name, "metric": case.metric, "true value": round(truth, 6), "estimator": case.estimator}
    return what | counted(intervals, truth)


def counted(intervals: list[Interval], truth: float | np.ndarray) -> dict[str, float]:
    """How often intervals hold the truth, which may be another for each: coverage in percent with its own 95% interval
    (Clopper & Pearson 1934), percent of intervals above and below the truth, and their mean width."""
    low, high = np.array([(found.low, found.high) for found in intervals]).T
    count = len(intervals)
    above, below = int((low > truth + 1e-12).sum()), int((high < truth - 1e-12).sum())
    sure = stats.binomtest(count - above - below, count).proportion_ci(0.95)
    return {
        "coverage %": 100 * (count - above - below) / count,
        "from %": 100 * sure.low,
        "to %": 100 * sure.high,
        "above %": 100 * above / count,
        "below %": 100 * below / count,
        "mean width": (high - low).mean(),
    }
