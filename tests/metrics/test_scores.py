"""Accuracy, proper scores, and what holds for every metric."""

import math

import numpy as np
import pytest
import torch
from samples import LABELS, LOGITS, PROBS, sample
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss

from kdlib import metrics
from kdlib.registry import KdlibError

OF_PROBS = [
    metrics.accuracy, metrics.brier, metrics.ece, metrics.adaptive_ece, metrics.classwise_ece, metrics.mce,
    metrics.overconfidence_error, metrics.underconfidence_error, metrics.smooth_ece,
]  # fmt: skip


def test_accuracy_by_hand_and_with_ties():
    probs = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.2, 0.8], [0.9, 0.1]])
    assert metrics.accuracy(probs, torch.tensor([0, 1, 1, 1])) == 0.5  # the first of equals is predicted


def test_nll_and_brier_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]], dtype=torch.float64)
    labels = torch.tensor([0, 1])
    assert metrics.nll(logits, labels) == pytest.approx((math.log(4) + math.log(2)) / 2, rel=1e-12)
    assert metrics.brier(logits.softmax(1), labels) == pytest.approx((2 * 0.75**2 + 2 * 0.5**2) / 2, rel=1e-12)
    assert metrics.brier(torch.eye(2), torch.tensor([1, 0])) == 2.0


def test_nll_and_brier_equal_scikit_learn():
    assert metrics.nll(LOGITS, LABELS) == pytest.approx(log_loss(LABELS, PROBS), rel=1e-12)
    theirs = brier_score_loss(LABELS, PROBS, scale_by_half=False, labels=range(5))
    assert metrics.brier(PROBS, LABELS) == pytest.approx(theirs, rel=1e-12)


def test_nll_is_finite_at_large_logits():
    assert metrics.nll(torch.tensor([[0.0, 1e4]]), torch.tensor([0])) == 1e4


@pytest.mark.parametrize("classes", [2, 5])
def test_brier_decomposition_is_an_identity_of_non_negative_parts(classes):
    logits, labels = sample(500, classes, temperature=2.0)
    probs = logits.softmax(1)
    for p in (probs, (10 * probs).round() / 10):  # the second with many equal forecasts
        mcb, dsc, unc = metrics.brier_decomposition(p, labels)
        assert mcb - dsc + unc == pytest.approx(metrics.brier(p, labels), abs=1e-12)
        assert mcb > 0 and dsc > 0 and unc > 0


@pytest.mark.parametrize("probs", [PROBS, (10 * PROBS).round() / 10], ids=["distinct", "with many equal"])
def test_brier_decomposition_equals_scikit_learns_isotonic_regression(probs):
    mcb, dsc, unc = 0.0, 0.0, 0.0
    for k in range(5):
        y, forecast = (k == LABELS).double().numpy(), probs[:, k].numpy()
        recalibrated = IsotonicRegression().fit_transform(forecast, y)
        raw, best, constant = (((f - y) ** 2).mean() for f in (forecast, recalibrated, y.mean()))
        mcb, dsc, unc = mcb + raw - best, dsc + constant - best, unc + constant
    assert metrics.brier_decomposition(probs, LABELS) == pytest.approx((mcb, dsc, unc), abs=1e-12)


def test_brier_decomposition_of_known_forecasts():
    labels = torch.tensor([0, 0, 0, 1])
    # The class frequencies: calibrated, and telling nothing.
    assert metrics.brier_decomposition(torch.tensor([[0.75, 0.25]] * 4), labels) == pytest.approx((0, 0, 0.375))
    # The truth: calibrated, and telling all.
    assert metrics.brier_decomposition(torch.eye(2)[labels], labels) == pytest.approx((0, 0.375, 0.375))
    # One forecast for all, .6: recalibrated to 3/4, which gains 2 * .15^2.
    assert metrics.brier_decomposition(torch.tensor([[0.6, 0.4]] * 4), labels) == pytest.approx((0.045, 0, 0.375))


def test_harmonic_score_by_hand():
    score = metrics.harmonic_score(torch.tensor([0.5, 0.6, 0.7]), torch.tensor([0.3, 0.2, 0.1]))
    torch.testing.assert_close(score, torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    # a = (0, 1, .5), 1 - e = (1, 0, .25): best in one and worst in the other is 0.
    score = metrics.harmonic_score([0.5, 0.7, 0.6], [0.1, 0.5, 0.4])
    torch.testing.assert_close(score, torch.tensor([0.0, 0.0, 1 / 3], dtype=torch.float64))


def test_harmonic_score_without_spread_is_a_number():
    assert metrics.harmonic_score([0.5, 0.5], [0.1, 0.2]).tolist() == [0.0, 0.0]
    assert metrics.harmonic_score([0.5], [0.1]).tolist() == [0.0]
    torch.testing.assert_close(metrics.harmonic_score([0.5, 0.6], [0.1, 0.1]), torch.tensor([0.0, 1.0]).double())


def test_harmonic_score_refuses_rows_that_were_not_measured():
    with pytest.raises(KdlibError, match="leave out"):
        metrics.harmonic_score([0.5, math.nan], [0.1, 0.2])
    with pytest.raises(KdlibError, match="2 accuracies and 1 ECEs"):
        metrics.harmonic_score([0.5, 0.6], [0.1])


@pytest.mark.parametrize("metric", OF_PROBS)
def test_one_class_is_always_right(metric):
    assert metric(torch.ones(3, 1), torch.zeros(3, dtype=torch.long)) == (metric is metrics.accuracy)


@pytest.mark.parametrize("metric", OF_PROBS)
def test_order_of_images_does_not_matter(metric):
    order = torch.randperm(len(PROBS), generator=torch.Generator().manual_seed(0))
    for probs in (PROBS, PROBS.float()):
        assert metric(probs[order], LABELS[order]) == pytest.approx(metric(probs, LABELS), abs=1e-12)


@pytest.mark.parametrize("metric", OF_PROBS)
def test_order_of_classes_does_not_matter(metric):
    order = torch.tensor([3, 0, 4, 1, 2])
    assert metric(PROBS[:, order], order.argsort()[LABELS]) == pytest.approx(metric(PROBS, LABELS), abs=1e-12)


@pytest.mark.parametrize("metric", [*OF_PROBS, metrics.nll])
def test_metrics_return_python_floats_and_leave_their_input_alone(metric):
    before = PROBS.clone()
    assert type(metric(PROBS, LABELS)) is float
    assert torch.equal(PROBS, before)


@pytest.mark.parametrize("metric", OF_PROBS)
@pytest.mark.parametrize(
    ("probs", "labels", "message"),
    [
        (LOGITS, LABELS, "softmax"),
        (torch.full((2, 3), math.nan), torch.tensor([0, 1]), "softmax"),
        (PROBS, LABELS[:1], "one an image"),
        (PROBS, LABELS + 1, "give 0 to 4"),
        (PROBS[:0], LABELS[:0], "at least one"),
        (PROBS[:, 0], LABELS, "images, classes"),
    ],
)
def test_bad_input_gets_a_sentence(metric, probs, labels, message):
    with pytest.raises(KdlibError, match=message):
        metric(probs, labels)


def test_third_accuracies_of_ten_classes_are_three_four_and_three():
    confusion = np.diag(np.arange(10)) + np.eye(10, k=1) * 2  # class c: c right, 2 wrong (none of class 9)
    rights, totals = np.arange(10), np.arange(10) + np.array([2] * 9 + [0])
    expected = [rights[part].sum() / totals[part].sum() for part in (slice(3), slice(3, 7), slice(7, 10))]
    assert metrics.scores.third_accuracies(confusion.tolist()) == pytest.approx(expected)
    assert metrics.scores.third_accuracies(torch.eye(100)) == (1, 1, 1)
    with pytest.raises(KdlibError, match="2 classes have no head, middle and tail"):
        metrics.scores.third_accuracies(torch.eye(2))
