"""Binned calibration errors and their noise floor: by hand, against naive loops and torchmetrics."""

import math
import time

import pytest
import torch
from samples import LABELS, PROBS, sample, two_class
from torchmetrics.functional.classification import multiclass_calibration_error

from kdlib import metrics
from kdlib.metrics import binned
from kdlib.registry import KdlibError


def naive_bin(confidence, bins):
    return next(m for m in range(bins) if confidence <= (m + 1) / bins or m == bins - 1)


def naive_ece(confidences, correct, bins, index=naive_bin):
    members = {}
    for c, right in zip(confidences, correct, strict=True):
        members.setdefault(index(c, bins), []).append((c, right))
    gaps = [abs(sum(c for c, _ in one) - sum(right for _, right in one)) for one in members.values()]
    return sum(gaps) / len(confidences)


def test_bins_are_open_below_and_closed_above():
    edges = torch.arange(1, 16, dtype=torch.float64) / 15
    assert binned.equal_width(edges, 15).tolist() == list(range(15))
    above = torch.nextafter(edges[:-1], torch.ones(14, dtype=torch.float64))
    assert binned.equal_width(above, 15).tolist() == list(range(1, 15))
    assert binned.equal_width(torch.tensor([0.0, 1.0, 1.0000001]), 15).tolist() == [0, 14, 14]


def test_edges_are_compared_in_float64_of_the_given_confidence():
    for dtype, expected in ((torch.float64, 8), (torch.float32, 9)):  # 3/5 = 9/15; float32's .6 is .60000002
        probs, labels = two_class([0.6], [1], dtype)
        assert metrics.reliability(probs, labels).counts.argmax() == expected


def test_reliability_by_hand():
    probs, labels = two_class([0.55, 0.75, 1.0, 1.0], [0, 1, 1, 0])
    counts, confidence, accuracy = metrics.reliability(probs, labels, bins=4)
    assert counts.tolist() == [0, 0, 2, 2]  # .75 is the closed upper edge of the third bin
    assert confidence.tolist() == pytest.approx([math.nan, math.nan, 0.65, 1.0], nan_ok=True)
    assert accuracy.tolist() == pytest.approx([math.nan, math.nan, 0.5, 0.5], nan_ok=True)


def test_binned_errors_by_hand():
    probs, labels = two_class([0.6, 0.6, 0.6, 0.95, 1.0], [1, 1, 1, 0, 1])
    given = (probs, labels, 10)
    # (.5, .6]: conf .6, acc 1; (.9, 1]: conf .975, acc .5.
    assert metrics.ece(*given) == pytest.approx((3 * 0.4 + 2 * 0.475) / 5, rel=1e-12)
    assert metrics.mce(*given) == pytest.approx(0.475, rel=1e-12)
    assert metrics.overconfidence_error(*given) == pytest.approx(2 / 5 * 0.975 * 0.475, rel=1e-12)
    assert metrics.underconfidence_error(*given) == pytest.approx(3 / 5 * 0.4, rel=1e-12)


def test_confidence_exactly_one_shares_the_last_bin():
    probs, labels = two_class([1.0, 1.0, 0.99, 0.99], [1, 0, 1, 1])
    assert metrics.ece(probs, labels) == pytest.approx(abs(0.995 - 0.75), rel=1e-12)  # one bin, not two


def test_ece_of_one_image():
    assert metrics.ece(torch.tensor([[0.3, 0.7]], dtype=torch.float64), torch.tensor([0])) == pytest.approx(0.7)


@pytest.mark.parametrize("bins", [1, 15, 100])
def test_ece_and_classwise_ece_equal_naive_loops(bins):
    confidence, predicted = PROBS.max(1)
    correct = (predicted == LABELS).tolist()
    assert metrics.ece(PROBS, LABELS, bins) == pytest.approx(naive_ece(confidence.tolist(), correct, bins), rel=1e-12)
    each = [naive_ece(PROBS[:, k].tolist(), (k == LABELS).tolist(), bins) for k in range(5)]
    assert metrics.classwise_ece(PROBS, LABELS, bins) == pytest.approx(sum(each) / 5, rel=1e-12)


@pytest.mark.parametrize(("ours", "norm"), [(metrics.ece, "l1"), (metrics.mce, "max")])
def test_ece_and_mce_equal_torchmetrics_away_from_the_edges(ours, norm):
    theirs = multiclass_calibration_error(PROBS, LABELS, num_classes=5, n_bins=15, norm=norm)
    assert ours(PROBS, LABELS) == pytest.approx(theirs.item(), rel=1e-5)


def test_over_and_underconfidence_split_the_ece():
    _, confidence, accuracy = metrics.reliability(PROBS, LABELS)
    over = metrics.ece(PROBS, LABELS) - metrics.underconfidence_error(PROBS, LABELS)
    assert 0 < metrics.overconfidence_error(PROBS, LABELS) < over  # weighted by a confidence below 1
    assert (confidence > accuracy).any()


def test_adaptive_bins_have_equal_mass():
    confidence = torch.rand(103, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    index = binned.equal_mass(confidence, 15)
    counts = torch.bincount(index, minlength=15)
    assert counts.min() >= 103 // 15 and counts.max() <= 103 // 15 + 1
    assert (index[confidence.argsort()].diff() >= 0).all()


def test_adaptive_bins_never_split_equal_confidences():
    confidence = torch.tensor([0.5, 1.0, 0.7, 1.0, 1.0, 0.7, 1.0, 0.6])
    index = binned.equal_mass(confidence, 4)
    assert index.tolist() == [0, 2, 1, 2, 2, 1, 2, 0]
    probs, labels = two_class([1.0] * 8, [1, 0] * 4)
    assert metrics.adaptive_ece(probs, labels) == 0.5


def test_adaptive_ece_by_hand():
    probs, labels = two_class([0.6, 0.7, 0.8, 0.9], [1, 0, 1, 1])
    assert metrics.adaptive_ece(probs, labels, 2) == pytest.approx((abs(1.3 - 1) + abs(1.7 - 2)) / 4, rel=1e-12)


def test_bins_below_one_are_refused():
    for metric in (metrics.ece, metrics.adaptive_ece, metrics.classwise_ece):
        with pytest.raises(KdlibError, match="bins is 0"):
            metric(PROBS, LABELS, 0)


@pytest.mark.parametrize(
    ("binning", "metric"), [(binned.equal_width, metrics.ece), (binned.equal_mass, metrics.adaptive_ece)]
)
def test_noise_floor_is_what_calibrated_predictors_score(binning, metric):
    confidences = [0.5 + 0.5 * i / 400 for i in range(400)]
    generator = torch.Generator().manual_seed(7)
    chance = torch.tensor(confidences)
    scores = torch.tensor([
        metric(*two_class(confidences, (torch.rand(400, generator=generator) < chance).tolist())) for _ in range(400)
    ])  # fmt: skip
    probs, _ = two_class(confidences, [1] * 400)
    floor = metrics.ece_noise_floor(probs, binning=binning)
    assert floor.mean == pytest.approx(scores.mean().item(), rel=0.05)
    assert floor.level95 == pytest.approx(scores.quantile(0.95).item(), rel=0.08)


def test_noise_floor_of_one_bin_is_the_binomials():
    n, p = 1000, 0.8
    floor = metrics.ece_noise_floor(torch.tensor([[p, 1 - p]] * n), draws=4000)
    deviation = math.sqrt(p * (1 - p) / n)
    assert floor.mean == pytest.approx(deviation * math.sqrt(2 / math.pi), rel=0.05)
    assert floor.level95 == pytest.approx(1.96 * deviation, rel=0.05)


def test_noise_floor_is_zero_where_chance_has_no_part():
    assert metrics.ece_noise_floor(torch.eye(3)) == (0.0, 0.0)


def test_noise_floor_is_reproducible_and_touches_no_global_generator():
    state = torch.get_rng_state()
    floor = metrics.ece_noise_floor(PROBS)
    assert torch.equal(torch.get_rng_state(), state)
    assert metrics.ece_noise_floor(PROBS) == floor
    shuffled = metrics.ece_noise_floor(PROBS[torch.randperm(len(PROBS), generator=torch.Generator().manual_seed(1))])
    assert shuffled == pytest.approx(floor, abs=1e-12)


def test_noise_floor_is_quick():
    logits, _ = sample(10_000, 10)
    start = time.process_time()
    metrics.ece_noise_floor(logits.softmax(1), draws=300)
    assert time.process_time() - start < 1
