import math
from dataclasses import replace

import builders
import numpy as np
import pytest
import torch

from kdlib import metrics
from kdlib.intervals.comparisons import interval
from kdlib.intervals.measurements import _DEBIAS_VARIANCE, _NOISE, average, bin_errors, measurement, unbiased
from kdlib.registry import KdlibError


def sample(images=4000, sharpened=1.0, seed=0):
    """A calibrated network's logits times `sharpened`, and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, 10, generator=generator)
    return logits * sharpened, torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)


def test_bin_errors_by_hand():
    reliability = {
        "counts": [100, 0, 300, 100],
        "confidence": [0.5, None, 0.9, 1.0],  # standard errors .05, .017320508 and none
        "accuracy": [0.55, None, 0.86, 0.98],
    }
    errors, gaps = bin_errors(reliability)
    np.testing.assert_allclose(errors, [0.2 * 0.05, 0.6 * 0.017320508, 0])
    np.testing.assert_allclose(gaps, [1.0, 0.04 / 0.017320508, np.inf])
    assert bin_errors({"counts": [9], "confidence": [1.0], "accuracy": [1.0]})[1].tolist() == [0]


def test_the_noise_of_a_calibrated_network_is_the_noise_floor():
    logits, labels = sample(20_000)
    probs = logits.double().softmax(1)
    errors, _ = bin_errors(metrics.reliability(probs, labels)._asdict())
    floor = metrics.ece_noise_floor(probs).mean
    assert math.sqrt(2 / math.pi) * errors.sum() == pytest.approx(floor, rel=0.02)


@pytest.mark.parametrize("gap", [0, 0.5, 1, 1.5, 2])
def test_debiasing_adds_variance_about_as_assumed(gap):
    rng = np.random.default_rng(0)
    found = rng.normal(gap, 1, 100_000)
    less_noise = abs(found) - math.sqrt(2 / math.pi) * (abs(found) <= _NOISE[1])
    bootstrap = np.mean([abs(found[:5000] + rng.normal(0, 1, 5000)) for _ in range(1000)], 0)
    squares = 1 + found[:5000] ** 2  # of found plus noise
    assert less_noise.var() - (squares - bootstrap**2).mean() == pytest.approx(_DEBIAS_VARIANCE, abs=0.1)


def test_ece_of_a_calibrated_network_may_be_zero_and_that_of_a_sharpened_one_not():
    calibrated, sharpened = (
        interval({0: measurement(builders.measured(*sample(sharpened=factor)), "ece")}) for factor in (1.0, 2.0)
    )
    assert calibrated.low == 0 < calibrated.estimate < calibrated.high
    assert 0 < sharpened.low < sharpened.estimate < sharpened.high


def test_other_metrics_are_taken_as_measured():
    made = builders.measured(*sample())
    for metric in ("accuracy", "nll", "brier"):
        one = measurement(made, metric)
        assert one.value == one.debiased_low == one.debiased_high == made["metrics"]["last"]["raw"][metric]
        assert one.replicates.tolist() == made["bootstrap"][metric]


def test_a_mean_keeps_the_bounds_and_shares_out_the_variance():
    ones = [unbiased(value, np.full(9, value), ceiling) for value, ceiling in [(0.2, 1.0), (0.4, 2.0)]]
    mean = average([replace(one, debiased_low=0.0, debias_variance=0.01) for one in ones])
    assert (mean.value, mean.debiased_low, mean.debiased_high) == pytest.approx((0.3, 0.0, 0.3))
    assert mean.replicates == pytest.approx(np.full(9, 0.3))
    assert (mean.debias_variance, mean.ceiling) == (pytest.approx(0.005), 2.0)


def test_a_record_without_replicates_is_named():
    with pytest.raises(KdlibError, match="Record abc holds no bootstrap"):
        measurement({"key": "abc"}, "ece")
