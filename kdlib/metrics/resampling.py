"""The bootstrap over test images (Efron 1979): what other draws of the test set would have shown.

Every run on N test images is resampled in the same way, so that two runs' replicates are paired: their differences are
replicates of the difference.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from kdlib import draws
from kdlib.metrics._checks import checked_logits, checked_probs, top_label
from kdlib.metrics.binned import equal_width

REPLICATES = 500
_AT_A_TIME = 100  # replicates: their counts as floats take 8 MB with 10,000 images


def bootstrap(metric: Callable[[Tensor, Tensor], float], probs: Tensor, labels: Tensor) -> Tensor:
    """metric(probs, labels) on each resampled test set (Efron 1979): (REPLICATES,), in the metric's unit.

    `probs` (N, K), `labels` (N,); a metric of logits takes logits as `probs`. All metrics of N images are resampled
    alike, so that differences of replicates are replicates of the difference. Raises KdlibError on unfit predictions
    or labels.

    >>> from kdlib.metrics import accuracy
    >>> probs, labels = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]]), torch.tensor([0, 0, 1, 0])
    >>> bootstrap(accuracy, probs, labels).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    tensor([0.2500, 1.0000], dtype=torch.float64)
    """
    probs, labels = checked_logits(probs, labels)
    images = torch.arange(len(labels))
    samples = (images.repeat_interleave(counts.int()) for counts in resampling(len(labels)))
    return torch.tensor([metric(probs[sample], labels[sample]) for sample in samples], dtype=torch.float64)


def bootstrap_scores(logits: Tensor, labels: Tensor, bins: int = 15) -> dict[str, list[float]]:
    """What `bootstrap` gives for accuracy, ece, nll and brier, from logits (N, K); ready for JSON, at 7 digits.

    Each is made of sums over images, and those over resampled ones are a matrix product with the counts: 30 ms for
    10,000 images.
    """
    replicates = scores(resampled_mean(image_values(logits, labels, bins)))
    return {name: [float(f"{value:.7g}") for value in column.tolist()] for name, column in replicates.items()}


def image_values(logits: Tensor, labels: Tensor, bins: int = 15) -> Tensor:
    """Each image's part in the scores, (N, 3 + bins): right or not, NLL, Brier, and the gap in its bin."""
    logits, labels = checked_logits(logits, labels)
    probs, _ = checked_probs(logits.softmax(1), labels)
    confidence, correct = top_label(probs, labels)
    nll = F.cross_entropy(logits, labels, reduction="none")
    brier = (probs - F.one_hot(labels, probs.shape[1])).square().sum(1)
    gap = F.one_hot(equal_width(confidence, bins), bins) * (confidence - correct).unsqueeze(1)
    return torch.cat([torch.stack([correct, nll, brier], dim=1), gap], dim=1)


def resampled_mean(values: Tensor) -> Tensor:
    """The means of values (N, M) over each resampled test set: (REPLICATES, M)."""
    parts = resampling(len(values)).split(_AT_A_TIME)
    return torch.cat([counts.double() @ values for counts in parts]) / len(values)


def scores(means: Tensor) -> dict[str, Tensor]:
    """accuracy, ece, nll and brier from means of `image_values` over images, (..., 3 + bins)."""
    accuracy, nll, brier = means[..., :3].unbind(-1)
    return {"accuracy": accuracy, "ece": means[..., 3:].abs().sum(-1), "nll": nll, "brier": brier}


@lru_cache(maxsize=4)
def resampling(images: int) -> Tensor:
    """How often each image is in each resampled test set: (REPLICATES, images), uint8; not to be written into."""
    chosen = (draws.words(images, "bootstrap", images, replicate) % images for replicate in range(REPLICATES))
    counts = (np.bincount(sample.astype(np.int64), minlength=images).astype(np.uint8) for sample in chosen)
    return torch.from_numpy(np.stack(list(counts)))
