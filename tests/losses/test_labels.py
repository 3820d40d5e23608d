"""Losses on labels, against naive loops in float64, finite differences, and by their properties."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdlib import losses
from kdlib.registry import KdlibError

B, K = 5, 4
COUNTS = [100, 40, 25, 10]


def draw(*shape, seed=0, scale=2.0, dtype=torch.float64):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


STUDENT, TARGETS = draw(B, K), torch.tensor([0, 3, 1, 1, 2])
WEIGHTS = torch.tensor([0.2, 1.0, 0.0, 0.7, 0.4], dtype=torch.float64)
LABEL_LOSSES = {
    "cross_entropy": losses.cross_entropy,
    "label_smoothing": lambda z, y, weights=None: losses.label_smoothing(z, y, 0.1, weights=weights),
    "adaptive_label_smoothing": lambda z, y, weights=None: losses.adaptive_label_smoothing(
        z, y, COUNTS, 0.3, 0.0, weights=weights
    ),
    "confidence_penalty": lambda z, y, weights=None: losses.confidence_penalty(z, y, 0.1, weights=weights),
    "balanced_softmax": lambda z, y, weights=None: losses.balanced_softmax(z, y, COUNTS, weights=weights),
}


def softmax(z):
    e = [math.exp(float(v)) for v in z]
    return [v / sum(e) for v in e]


def naive_targets(name, y):
    """The distribution over classes that the loss compares the prediction with."""
    epsilon = {"label_smoothing": 0.1}.get(name, 0.0)
    if name == "adaptive_label_smoothing":
        epsilon = 0.3 * math.sin(math.pi / 2 * (COUNTS[y] - 10) / 90)
    return [epsilon / K + (1 - epsilon) * (k == y) for k in range(K)]


def naive_label_loss(name, z, y):
    p = softmax(z + np.log(COUNTS) if name == "balanced_softmax" else z)
    loss = -sum(q * math.log(pk) for q, pk in zip(naive_targets(name, y), p, strict=True))
    return loss + 0.1 * sum(pk * math.log(pk) for pk in p) if name == "confidence_penalty" else loss


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_label_losses_equal_naive_loops(name):
    each = [naive_label_loss(name, z, y) for z, y in zip(STUDENT.numpy(), TARGETS.tolist(), strict=True)]
    assert LABEL_LOSSES[name](STUDENT, TARGETS).item() == pytest.approx(sum(each) / B, abs=1e-12)
    weighted = sum(w * loss for w, loss in zip(WEIGHTS.tolist(), each, strict=True)) / B
    assert LABEL_LOSSES[name](STUDENT, TARGETS, weights=WEIGHTS).item() == pytest.approx(weighted, abs=1e-12)


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_label_losses_of_one_label_in_two_shares_add_up(name):
    whole = LABEL_LOSSES[name](STUDENT, TARGETS)
    shares = [LABEL_LOSSES[name](STUDENT, TARGETS, weights=torch.full((B,), w)) for w in (0.25, 0.75)]
    assert sum(shares).item() == pytest.approx(whole.item(), rel=1e-12)


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_label_losses_gradcheck(name):
    z = STUDENT.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: LABEL_LOSSES[name](z, TARGETS, weights=WEIGHTS), z)


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_label_losses_do_not_see_a_shift_of_the_logits(name):
    shifted = LABEL_LOSSES[name](STUDENT + 7.0, TARGETS)
    assert shifted.item() == pytest.approx(LABEL_LOSSES[name](STUDENT, TARGETS).item(), rel=1e-12)


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_label_losses_are_finite_at_large_logits(name):
    z = (draw(B, K, dtype=torch.float32) * 1e4).requires_grad_()
    loss = LABEL_LOSSES[name](z, TARGETS)
    loss.backward()
    assert loss.isfinite() and z.grad.isfinite().all()


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_weights_of_another_shape_are_refused(name):
    with pytest.raises(KdlibError, match="one per image"):
        LABEL_LOSSES[name](STUDENT, TARGETS, weights=WEIGHTS.unsqueeze(1))


def test_cross_entropy_by_hand():
    z = torch.tensor([[0.0, math.log(3.0)]])  # p = 1/4, 3/4
    assert losses.cross_entropy(z, torch.tensor([0])).item() == pytest.approx(math.log(4))
    assert losses.cross_entropy(z, torch.tensor([0]), weights=torch.tensor([0.5])).item() == pytest.approx(math.log(2))


def test_label_smoothing_is_the_one_of_torch():
    ours, theirs = losses.label_smoothing(STUDENT, TARGETS, 0.2), F.cross_entropy(STUDENT, TARGETS, label_smoothing=0.2)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    assert losses.label_smoothing(STUDENT, TARGETS, 0.0) == losses.cross_entropy(STUDENT, TARGETS)


def test_adaptive_label_smoothing_at_the_ends_of_the_tail_and_at_equal_counts():
    head, tail = torch.zeros(B, dtype=torch.long), torch.full((B,), 3)
    args = (COUNTS, 0.4, 0.1)
    for targets, epsilon in ((head, 0.4), (tail, 0.1)):
        ours = losses.adaptive_label_smoothing(STUDENT, targets, *args)
        assert ours.item() == pytest.approx(losses.label_smoothing(STUDENT, targets, epsilon).item(), rel=1e-12)
    equal = losses.adaptive_label_smoothing(STUDENT, TARGETS, torch.full((K,), 50), 0.4, 0.1)
    assert equal.item() == pytest.approx(losses.label_smoothing(STUDENT, TARGETS, 0.4).item(), rel=1e-12)


def test_adaptive_label_smoothing_smooths_frequent_classes_more():
    confident = 20 * torch.eye(K, dtype=torch.float64)  # right, with p = 1: the loss grows with epsilon
    each = [losses.adaptive_label_smoothing(confident[[c]], torch.tensor([c]), COUNTS, 0.3, 0.0) for c in range(K)]
    assert each == sorted(each, reverse=True) and each[0] > each[1] > each[2] > each[3]


def entropy(z):
    return torch.distributions.Categorical(logits=z).entropy().mean().item()


def test_confidence_penalty_raises_the_entropy():
    after = {}
    for beta in (0.0, 0.5):
        z = STUDENT.clone().requires_grad_()
        losses.confidence_penalty(z, TARGETS, beta).backward()
        after[beta] = entropy(z.detach() - z.grad)
    assert after[0.5] > after[0.0]
    assert losses.confidence_penalty(STUDENT, TARGETS, 0.0) == losses.cross_entropy(STUDENT, TARGETS)


def test_balanced_softmax_is_cross_entropy_at_equal_counts_and_favours_the_tail_otherwise():
    equal = losses.balanced_softmax(STUDENT, TARGETS, [30] * K)
    assert equal.item() == pytest.approx(losses.cross_entropy(STUDENT, TARGETS).item(), rel=1e-12)
    z = torch.zeros(1, K, dtype=torch.float64)
    # At uniform logits the loss is that of predicting the class frequencies, so it asks most for the rarest class.
    for c, n in enumerate(COUNTS):
        loss = losses.balanced_softmax(z, torch.tensor([c]), torch.tensor(COUNTS))
        assert loss.item() == pytest.approx(-math.log(n / sum(COUNTS)), rel=1e-12)


def test_balanced_softmax_keeps_large_counts_apart_in_bf16():
    z = torch.zeros(1, 2, dtype=torch.bfloat16)
    loss = losses.balanced_softmax(z, torch.tensor([0]), [4500, 4510])
    assert loss.item() == pytest.approx(math.log(9010 / 4500), rel=1e-6)


@pytest.mark.parametrize("loss", [losses.balanced_softmax, losses.adaptive_label_smoothing])
def test_counts_of_another_number_of_classes_are_refused(loss):
    more = () if loss is losses.balanced_softmax else (0.3, 0.0)
    with pytest.raises(KdlibError, match="one count per class, 4"):
        loss(STUDENT, TARGETS, [10], *more)
