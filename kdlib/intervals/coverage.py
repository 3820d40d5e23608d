"""How often the intervals of kdlib.intervals.comparisons hold the truth: a simulation in which the truth is known.

The population is 20,000 kinds of image, each with known chances of the labels; a test set is drawn from it with
replacement, so that what a network scores on the population is known exactly. A network sees the scores behind the
chances through noise of its own. Its confidence is then set so that its binned ECE is as wanted: images that it holds
equally likely to be right get, by hundreds, the accuracy that they have, which is an ECE of exactly 0; from there the
chance of being wrong is understated, by the same factor everywhere ("ECE .02") or only where it is smallest, so that
all of the error sits in the last bin ("one bin").
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats
from scipy.special import softmax
from torch import Tensor

from kdlib import metrics
from kdlib.intervals import comparisons as evidence
from kdlib.intervals.comparisons import Interval, Row, TrainingNoise
from kdlib.metrics.resampling import image_values, resampled_mean, scores

_IMAGES, _CLASSES, _ALIKE = 20_000, 10, 100  # of the population; _ALIKE images share a confidence
_TRAINED = 20  # networks a method, of which repeats are drawn
_LENDER = "ECE .01 too"  # whose training noise is borrowed


class Method(NamedTuple):
    """Networks of which one has exactly this ECE, and the others vary around it from training to training."""

    ece: float
    spread: float = 0.003
    one_bin: bool = False


METHODS = {
    "ECE 0": Method(0, spread=0),
    "ECE .01": Method(0.01),
    "ECE .01 too": Method(0.01),
    "ECE .02": Method(0.02),
    "ECE .07": Method(0.07),
    "ECE .02, one bin": Method(0.02, one_bin=True),
}


class Case(NamedTuple):
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


class Known(NamedTuple):
    """What an estimator may use beside the rows: training noise of another method, the noise floor's 95% level."""

    noise: TrainingNoise | None
    floor: float


def kdlib(rows: list[Row], known: Known) -> Interval:
    return evidence.interval(*rows, known.noise) if len(rows) == 1 else evidence.difference(*rows, known.noise)


def percentile(rows: list[Row], known: Known) -> Interval:
    value, replicates = _first(rows)
    return Interval(value, *np.quantile(replicates, [0.025, 0.975]), "percentile")


def basic(rows: list[Row], known: Known) -> Interval:
    value, replicates = _first(rows)
    low, high = 2 * value - np.quantile(replicates, [0.975, 0.025])
    return Interval(value, max(low, 0.0) if len(rows) == 1 else low, high, "basic")


def floor_rule(rows: list[Row], known: Known) -> Interval:
    """Basic; at or below the 95% level of the noise floor, 0 and the larger upper end of basic and percentile."""
    ends = basic(rows, known)
    if ends.estimate > known.floor:
        return ends
    return ends._replace(low=0.0, high=max(ends.high, percentile(rows, known).high))


def plain_sum(rows: list[Row], known: Known) -> Interval:
    """Mean of R repeats; variance between them / R + bootstrap variance of the mean; t, R - 1 degrees of freedom."""
    runs = [_first([{0: row[repeat]} for row in rows]) for repeat in rows[0]]
    values, replicates = map(np.array, zip(*runs, strict=True))
    variance = values.var(ddof=1) / len(runs) + replicates.mean(0).var(ddof=1)
    half = stats.t.ppf(0.975, len(runs) - 1) * np.sqrt(variance)
    return Interval(values.mean(), values.mean() - half, values.mean() + half, "plain sum")


ESTIMATORS: dict[str, Callable[[list[Row], Known], Interval]] = {
    "kdlib": kdlib,
    "percentile": percentile,
    "basic": basic,
    "floor rule": floor_rule,
    "plain sum": plain_sum,
}


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
            cases += [(methods, number, metric, each) for metric in ("accuracy", "nll", "brier") for each in estimators]
        for methods in eces + pairs + one_bin * (number == 0):
            cases += [(methods, number, "ece", each) for each in ["kdlib", *others[: 3 if len(methods) == 1 else 2]]]
    repeats = {(1, 2): (1, 5)}  # of a single run, the difference to a row that was repeated
    both_borrow = [Case(pairs[1], (1, 1), metric, "kdlib") for metric in ("accuracy", "ece", "nll", "brier")]
    of_each = [Case(of, repeats.get((n, len(of)), (n,) * len(of)), metric, each) for of, n, metric, each in cases]
    return of_each + both_borrow


def simulate(
    replications: int = 1000, seed: int = 0, images: int = 10_000, cases: list[Case] | None = None
) -> pd.DataFrame:
    """Draws test sets and counts how often each case's interval holds the truth. A row a case: coverage in percent with
    its own 95% interval (Clopper & Pearson), percent of intervals above and below the truth, and their mean width.
    """
    cases = all_cases() if cases is None else cases
    rng = np.random.default_rng(seed)
    needed = dict.fromkeys((method for case in cases for method in case.methods), 0)
    needed |= {_LENDER: 5} if any(1 in case.repeats for case in cases) else {}
    for case in cases:
        needed |= {method: max(needed[method], count) for method, count in zip(case.methods, case.repeats, strict=True)}
    networks = {method: _networks(method, count > 0) for method, count in needed.items()}
    floors = {
        method: metrics.ece_noise_floor(exact.logits[:images].softmax(1)) for method, (exact, *_) in networks.items()
    }
    truths = [_truth(case, networks) for case in cases]
    chances = softmax(_scores(), axis=1)
    ends = np.empty((len(cases), replications, 2))
    for replication in range(replications):
        chosen = rng.integers(_IMAGES, size=images)
        labels = torch.from_numpy((chances[chosen].cumsum(1) < rng.random((images, 1))).sum(1).clip(max=_CLASSES - 1))
        picked = {method: [0, *rng.integers(1, _TRAINED + 1, count)] for method, count in needed.items()}
        logits = [networks[method][pick].logits[chosen] for method, picks in picked.items() for pick in picks]
        records = iter(_records(logits, labels))
        study = {method: [next(records) for _ in picks] for method, picks in picked.items()}
        for index, case in enumerate(cases):
            rows = [
                _row(study[method], count, case.metric)
                for method, count in zip(case.methods, case.repeats, strict=True)
            ]
            noise = evidence.training_noise([_row(study[_LENDER], 5, case.metric)]) if 1 in case.repeats else None
            found = ESTIMATORS[case.estimator](rows, Known(noise, floors[case.methods[0]].level95))
            ends[index, replication] = found.low, found.high
    return pd.DataFrame([_result(*of_case) for of_case in zip(cases, truths, ends, strict=True)])


class _Network(NamedTuple):
    logits: Tensor  # (_IMAGES, _CLASSES)
    truth: dict[str, float]


@lru_cache
def _scores() -> np.ndarray:
    """Of each image and class; the labels' chances are their softmax."""
    return 6 * np.random.default_rng(0).normal(size=(_IMAGES, _CLASSES))


@lru_cache
def _networks(method: str, trained: bool) -> list[_Network]:
    """The exact network of a method and, if asked for, those of its trainings, which also differ in accuracy."""
    ece, spread, one_bin = METHODS[method]
    rng = np.random.default_rng([1, list(METHODS).index(method)])
    normal = stats.norm.ppf((np.arange(_TRAINED) + 0.5) / _TRAINED) if trained else np.empty(0)
    eces = [ece, *(ece + spread * rng.permutation(normal))]
    noises = [1, *(1 + 0.05 * rng.permutation(normal))]
    return [_network(ece, noise, one_bin, rng) for ece, noise in zip(eces, noises, strict=True)]


def _network(ece: float, noise: float, one_bin: bool, rng: np.random.Generator) -> _Network:
    chances, seen = softmax(_scores(), axis=1), _scores() + noise * rng.normal(size=_scores().shape)
    everyone, top = np.arange(_IMAGES), seen.argmax(1)
    probs = softmax(seen, axis=1)
    order = probs.max(1).argsort()
    confidence = np.empty(_IMAGES)
    confidence[order] = chances[everyone, top][order].reshape(-1, _ALIKE).mean(1).repeat(_ALIKE)
    wrong = 1 - confidence
    if one_bin:  # of the surest images, as few as need only a part of the last bin
        surest = np.sort(wrong)
        enough = np.searchsorted(0.97 * surest.cumsum() / _IMAGES, ece)
        wrong = np.where(wrong <= surest[enough], wrong, 0)
    confidence += wrong * ece / wrong.mean()
    logits = torch.from_numpy(np.log(_with_confidence(probs, top, confidence)))
    every_label = [torch.full((_IMAGES,), label) for label in range(_CLASSES)]
    expected = sum(
        torch.from_numpy(chance)[:, None] * image_values(logits, label)
        for chance, label in zip(chances.T, every_label, strict=True)
    )
    return _Network(logits, {name: value.item() for name, value in scores(expected.mean(0)).items()})


def _with_confidence(probs: np.ndarray, top: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """The probabilities with that of the top class set; the rest in proportion, as far as it stays below the top."""
    everyone, even = np.arange(len(probs)), 1 / (_CLASSES - 1)
    rest = probs.copy()
    rest[everyone, top] = 0
    rest /= rest.sum(1, keepdims=True)
    room = 0.98 * confidence / (1 - confidence)
    keep = ((room - even) / (rest.max(1) - even)).clip(0, 1)[:, None]
    mixed = (1 - confidence)[:, None] * (keep * rest + (1 - keep) * even)
    mixed[everyone, top] = confidence
    return mixed


def _records(logits: list[Tensor], labels: Tensor) -> list[dict]:
    """What kdlib.training.records would keep of these networks on this test set."""
    values = torch.cat([image_values(each, labels) for each in logits], dim=1)
    means, resampled = (of.unflatten(-1, (len(logits), -1)) for of in (values.mean(0), resampled_mean(values)))
    raw, replicates = scores(means), scores(resampled)
    return [
        {
            "metrics": {"last": {"raw": {name: raw[name][index].item() for name in raw}}},
            "bootstrap": {name: replicates[name][:, index].numpy() for name in raw},
            "reliability": metrics.reliability(each.softmax(1), labels)._asdict(),
        }
        for index, each in enumerate(logits)
    ]


def _row(records: list[dict], repeats: int, metric: str) -> Row:
    """The repeats of a method, or its exact network."""
    chosen = records[1 : repeats + 1] if repeats else records[:1]
    return {repeat: evidence.measurement(record, metric) for repeat, record in enumerate(chosen)}


def _first(rows: list[Row]) -> tuple[float, np.ndarray]:
    """Value and replicates of the first run of a row, or of the difference of two."""
    first, *others = (row[0] for row in rows)
    for other in others:
        first -= other
    return first.value, first.replicates


def _truth(case: Case, networks: dict[str, list[_Network]]) -> float:
    of_methods = [
        np.mean([network.truth[case.metric] for network in (networks[method][1:] if count else networks[method][:1])])
        for method, count in zip(case.methods, case.repeats, strict=True)
    ]
    return float(of_methods[0] - sum(of_methods[1:]))


def _result(case: Case, truth: float, ends: np.ndarray) -> dict:
    low, high = ends.T
    above, below = (low > truth + 1e-12).sum(), (high < truth - 1e-12).sum()
    held = len(ends) - above - below
    sure = stats.binomtest(int(held), len(ends)).proportion_ci(0.95)
    return {
        "case": case.name,
        "metric": case.metric,
        "true value": round(truth, 6),
        "estimator": case.estimator,
        "coverage %": 100 * held / len(ends),
        "from %": 100 * sure.low,
        "to %": 100 * sure.high,
        "above %": 100 * above / len(ends),
        "below %": 100 * below / len(ends),
        "mean width": (high - low).mean(),
    }
