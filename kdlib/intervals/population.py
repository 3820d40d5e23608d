"""A population of images of which everything is known, and networks whose scores on it are exact.

The population is 20,000 kinds of image, each with known chances of the labels; a test set is drawn from it with
replacement, so that what a network scores on the population is known exactly. A network sees the scores behind the
chances through noise of its own. Its confidence is then set so that its binned ECE is as wanted: images that it holds
equally likely to be right get, by hundreds, the accuracy that they have, which is an ECE of exactly 0; from there the
chance of being wrong is understated, by the same factor everywhere ("ECE .02") or only where it is smallest, so that
all of the error sits in the last bin ("one bin").
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import log_softmax, ndtri, softmax
from torch import Tensor

from kdlib.metrics.binned import equal_width
from kdlib.metrics.resampling import scores

IMAGES, CLASSES = 20_000, 10
TRAINED = 20  # networks of a method, of which repeats are drawn
_ALIKE = 100  # images that share a confidence
_BINS = 15


@dataclass(frozen=True)
class Method:
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


@dataclass(frozen=True, eq=False)
class Network:
    """What it answers on the population (IMAGES, CLASSES), and what it truly scores: accuracy, ece, nll and brier."""

    logits: Tensor
    truth: dict[str, float]


@lru_cache
def networks(method: str, trained: bool) -> list[Network]:
    """The exact network of a method and, if asked for, those of its trainings, which also differ in accuracy."""
    wanted, rng = METHODS[method], np.random.default_rng([1, list(METHODS).index(method)])
    normal = ndtri((np.arange(TRAINED) + 0.5) / TRAINED) if trained else np.empty(0)
    eces = [wanted.ece, *(wanted.ece + wanted.spread * rng.permutation(normal))]
    noises = [1, *(1 + 0.05 * rng.permutation(normal))]
    return [_network(ece, noise, wanted.one_bin, rng) for ece, noise in zip(eces, noises, strict=True)]


@lru_cache
def chances() -> np.ndarray:
    """Of each image's labels: (IMAGES, CLASSES)."""
    return softmax(_scores(), axis=1)


def drawn_labels(chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
    """A label for each of the chosen images (N,), by its chances."""
    below = chances()[chosen].cumsum(1) < rng.random((len(chosen), 1))
    return torch.from_numpy(below.sum(1).clip(max=CLASSES - 1))


@lru_cache
def _scores() -> np.ndarray:
    return 6 * np.random.default_rng(0).normal(size=(IMAGES, CLASSES))


def _network(ece: float, noise: float, one_bin: bool, rng: np.random.Generator) -> Network:
    seen = _scores() + noise * rng.normal(size=_scores().shape)
    probs, top = softmax(seen, axis=1), seen.argmax(1)
    confidence = _calibrated(probs.max(1), chances()[np.arange(IMAGES), top])
    wrong = _surest(1 - confidence, ece) if one_bin else 1 - confidence
    logits = np.log(_with_confidence(probs, top, confidence + wrong * ece / wrong.mean()))
    return Network(torch.from_numpy(logits), _truth(logits))


def _calibrated(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The mean chance of being right of each hundred images that are next to one another in confidence."""
    order, calibrated = confidence.argsort(), np.empty(IMAGES)
    calibrated[order] = right[order].reshape(-1, _ALIKE).mean(1).repeat(_ALIKE)
    return calibrated


def _surest(wrong: np.ndarray, ece: float) -> np.ndarray:
    """The chances of being wrong of the surest images, as few as need only a part of the last bin; 0 of the others."""
    surest = np.sort(wrong)
    enough = np.searchsorted(0.97 * surest.cumsum() / IMAGES, ece)
    return np.where(wrong <= surest[enough], wrong, 0)


def _with_confidence(probs: np.ndarray, top: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """The probabilities with that of the top class set; the rest in proportion, as far as it stays below the top."""
    everyone, even = np.arange(len(probs)), 1 / (CLASSES - 1)
    rest = probs.copy()
    rest[everyone, top] = 0
    rest /= rest.sum(1, keepdims=True)
    room = 0.98 * confidence / (1 - confidence)
    keep = ((room - even) / (rest.max(1) - even)).clip(0, 1)[:, None]
    mixed = (1 - confidence)[:, None] * (keep * rest + (1 - keep) * even)
    mixed[everyone, top] = confidence
    return mixed


def _truth(logits: np.ndarray) -> dict[str, float]:
    """The scores expected over the labels' chances: each is a mean of what is linear in the label."""
    probs, logs = softmax(logits, axis=1), log_softmax(logits, axis=1)
    confidence, right = probs.max(1), chances()[np.arange(IMAGES), probs.argmax(1)]
    nll = -(chances() * logs).sum(1)
    brier = (probs**2).sum(1) - 2 * (chances() * probs).sum(1) + 1
    bins = F.one_hot(equal_width(torch.from_numpy(confidence), _BINS), _BINS).numpy()
    gap = bins * (confidence - right)[:, None]
    expected = np.column_stack([right, nll, brier, gap]).mean(0)
    return {name: value.item() for name, value in scores(torch.from_numpy(expected)).items()}
