"""Predictions for the tests of metrics: drawn, and made by hand."""

import torch


def sample(n=2000, classes=5, scale=2.0, temperature=1.0, seed=0):
    """Logits whose labels are drawn from their softmax at `temperature`: calibrated at 1, overconfident above."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, classes, generator=generator, dtype=torch.float64)
    labels = torch.multinomial((logits / temperature).softmax(1), 1, generator=generator).squeeze(1)
    return logits, labels


def two_class(confidences, correct, dtype=torch.float64):
    """Class 0 is always predicted, with the given confidences (at least 1/2)."""
    p = torch.tensor(confidences, dtype=dtype)
    return torch.stack([p, 1 - p], 1), 1 - torch.tensor(correct, dtype=torch.int64)


LOGITS, LABELS = sample(temperature=1.5)
PROBS = LOGITS.softmax(1)
