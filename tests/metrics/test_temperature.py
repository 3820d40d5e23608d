"""Temperature scaling by the properties of a minimum."""

import math

import pytest
import torch
from samples import LABELS, LOGITS, PROBS, sample

from kdlib import KdlibError, metrics


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


def test_an_image_of_weight_2_counts_as_two_images():
    logits, labels = sample(60, temperature=2.0)
    weights = torch.arange(60) % 3
    repeated = torch.arange(60).repeat_interleave(weights)
    assert metrics.fit_temperature(logits, labels, weights) == pytest.approx(
        metrics.fit_temperature(logits[repeated], labels[repeated]), rel=1e-9
    )


def test_a_weighted_temperature_by_hand():
    """At logits (3, 0), a first class of weight 3 and a second of weight 1: the NLL is least where the softmax of
    3 / T is 3/4, so that T = 3 / log 3; weighted alike no T is better than the highest."""
    logits, labels = torch.tensor([[3.0, 0.0], [3.0, 0.0]]), torch.tensor([0, 1])
    assert metrics.fit_temperature(logits, labels, torch.tensor([3.0, 1.0])) == pytest.approx(3 / math.log(3), rel=1e-9)
    assert metrics.fit_temperature(logits, labels) == 100.0


def test_equal_weights_change_nothing_and_their_scale_does_not_count():
    fitted = metrics.fit_temperature(LOGITS, LABELS)
    assert metrics.fit_temperature(LOGITS, LABELS, torch.ones(len(LABELS))) == fitted
    weights = torch.rand(len(LABELS), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ones, thousands = (metrics.fit_temperature(LOGITS, LABELS, by * weights) for by in (1, 1000))
    assert thousands == pytest.approx(ones, rel=1e-9) and ones != fitted


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([1.0, 1.0], r"Weights have shape \(2,\): give one an image, \(3,\)"),
        ([1.0, -1.0, 1.0], "The weights are negative, all 0 or not finite: give 0 or more"),
        ([0.0, 0.0, 0.0], "The weights are negative, all 0"),
        ([1.0, math.nan, 1.0], "not finite"),
        ([1.0, math.inf, 1.0], "not finite"),
    ],
)
def test_unfit_weights_get_one_sentence(weights, sentence):
    with pytest.raises(KdlibError, match=sentence):
        metrics.fit_temperature(LOGITS[:3], LABELS[:3], torch.tensor(weights))
