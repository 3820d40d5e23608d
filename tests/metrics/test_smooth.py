"""smECE against adaptive quadrature."""

import math

import numpy as np
import pytest
from samples import sample, two_class
from scipy.integrate import quad_vec

from kdlib import metrics


def smooth_error(confidence, residual, sigma):
    """smECE_sigma by adaptive quadrature over the mirror images of every point."""
    mirrors = np.concatenate([2 * m + s * confidence for m in range(-3, 4) for s in (1, -1)])
    residuals = np.tile(residual, 14)

    def smoothed(t):
        kernel = np.exp(-0.5 * ((t - mirrors) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
        return abs((residuals * kernel).sum()) / len(confidence)

    return quad_vec(smoothed, 0, 1, epsabs=1e-8, epsrel=1e-8)[0]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_smooth_ece_is_the_fixed_point(temperature):
    logits, labels = sample(300, temperature=temperature, seed=3)
    probs = logits.softmax(1)
    value = metrics.smooth_ece(probs, labels)
    confidence, predicted = (column.numpy() for column in probs.max(1))
    assert smooth_error(confidence, (predicted == labels.numpy()) - confidence, value) == pytest.approx(value, rel=1e-4)


def test_smooth_ece_of_one_confidence_is_its_gap():
    """With residuals of one sign the kernel does not matter, not even where it is cut by the end of the interval."""
    for confidence, right in ((1.0, [1, 1, 1, 0]), (0.6, [1, 1, 1, 1]), (0.9999, [1, 1, 1, 1])):
        probs, labels = two_class([confidence] * 4, right)
        assert metrics.smooth_ece(probs, labels) == pytest.approx(abs(confidence - sum(right) / 4), abs=2e-9)


def test_smooth_ece_is_continuous_where_ece_jumps():
    right = [1, 1, 1, 0] * 25
    below, above = (two_class([0.6 + side] * 50 + [0.6 - 1e-9] * 50, right[:50] + [0] * 50) for side in (-1e-9, 1e-9))
    assert abs(metrics.ece(*below, 10) - metrics.ece(*above, 10)) > 0.1
    assert metrics.smooth_ece(*below) == pytest.approx(metrics.smooth_ece(*above), abs=1e-6)


def test_smooth_ece_tells_overconfident_from_calibrated():
    errors = []
    for temperature in (1.0, 1.5, 2.5):
        logits, labels = sample(4000, temperature=temperature)
        errors.append(metrics.smooth_ece(logits.softmax(1), labels))
    assert errors[0] < 0.03 < errors[1] < errors[2]
