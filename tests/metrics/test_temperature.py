"""Temperature scaling by the properties of a minimum."""

import pytest
import torch
from samples import LABELS, LOGITS, PROBS, sample

from kdlib import metrics


@pytest.mark.parametrize("true", [0.4, 1.0, 1.7, 5.0])
def test_fit_temperature_finds_the_minimum(true):
    logits, labels = sample(4000, temperature=true)
    fitted = metrics.fit_temperature(logits, labels)
    assert fitted == pytest.approx(true, rel=0.1)
    least = metrics.nll(logits / fitted, labels)
    assert least <= metrics.nll(logits, labels)
    for other in (0.999 * fitted, 1.001 * fitted):
        assert least < metrics.nll(logits / other, labels)


def test_fit_temperature_scales_with_the_logits_and_ignores_their_shift():
    fitted = metrics.fit_temperature(LOGITS, LABELS)
    assert metrics.fit_temperature(3 * LOGITS, LABELS) == pytest.approx(3 * fitted, rel=1e-9)
    assert metrics.fit_temperature(LOGITS + 100 * LOGITS[:, :1], LABELS) == pytest.approx(fitted, rel=1e-9)


def test_fit_temperature_stays_in_bounds_and_is_never_worse():
    labels = torch.arange(4)
    separable, misleading = 5 * torch.eye(4), -5 * torch.eye(4)
    assert metrics.fit_temperature(separable, labels) == 0.01
    assert metrics.fit_temperature(misleading, labels) == 100.0
    assert metrics.fit_temperature(torch.zeros(4, 4), labels) == 1.0  # any T is as good
    for logits in (separable, misleading, 1e4 * torch.eye(4), LOGITS[:4, :4]):
        fitted = metrics.fit_temperature(logits, labels)
        assert metrics.nll(logits.double() / fitted, labels) <= metrics.nll(logits, labels)


def test_fit_temperature_keeps_the_predictions():
    fitted = metrics.fit_temperature(LOGITS, LABELS)
    scaled = (LOGITS / fitted).softmax(1)
    assert metrics.accuracy(scaled, LABELS) == metrics.accuracy(PROBS, LABELS)
    assert metrics.ece(scaled, LABELS) < metrics.ece(PROBS, LABELS) / 3
