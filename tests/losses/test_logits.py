"""Losses on logits, against naive loops in float64, finite differences, and by their properties."""

import math

import pytest
import torch
import torch.nn.functional as F

from kdlib import losses
from kdlib.registry import KdlibError

B, K, T = 5, 4, 3.0


def draw(*shape, seed=0, scale=2.0, dtype=torch.float64):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


STUDENT, TEACHER, TARGETS = draw(B, K), draw(B, K, seed=1), torch.tensor([0, 3, 1, 1, 2])
LOGIT_LOSSES = {
    "kd": lambda s, t: losses.kd_loss(s, t, T),
    "soft_cross_entropy": lambda s, t: losses.soft_cross_entropy(s, t.softmax(1), T),
    "wsl": lambda s, t: losses.wsl_loss(s, t, TARGETS, T),
}


def softmax(z, temperature=1.0):
    e = [math.exp(float(v) / temperature) for v in z]
    return [v / sum(e) for v in e]


def naive_kd(s, t):
    p, q = softmax(s, T), softmax(t, T)
    return T**2 * sum(qk * (math.log(qk) - math.log(pk)) for pk, qk in zip(p, q, strict=True))


def naive_soft_cross_entropy(s, t):
    return -sum(q * math.log(p) for p, q in zip(softmax(s, T), softmax(t), strict=True))


def naive_wsl(s, t, y):
    student_error, teacher_error = -math.log(softmax(s)[y]), -math.log(softmax(t)[y])
    soft = -sum(q * math.log(p) for p, q in zip(softmax(s, T), softmax(t, T), strict=True))
    return T**2 * (1 - math.exp(-student_error / (teacher_error + 1e-7))) * soft


@pytest.mark.parametrize(
    ("name", "naive"), [("kd", naive_kd), ("soft_cross_entropy", naive_soft_cross_entropy), ("wsl", naive_wsl)]
)
def test_logit_losses_equal_naive_loops(name, naive):
    rows = zip(STUDENT.numpy(), TEACHER.numpy(), TARGETS.tolist(), strict=True)
    each = [naive(s, t, y) if name == "wsl" else naive(s, t) for s, t, y in rows]
    assert LOGIT_LOSSES[name](STUDENT, TEACHER).item() == pytest.approx(sum(each) / B, abs=1e-12)


@pytest.mark.parametrize("name", ["kd", "soft_cross_entropy"])
def test_logit_losses_gradcheck(name):
    s = STUDENT.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda s: LOGIT_LOSSES[name](s, TEACHER), s)


def test_wsl_gradient_is_the_one_with_constant_weights():
    s = STUDENT.clone().requires_grad_()
    losses.wsl_loss(s, TEACHER, TARGETS, T).backward()
    errors = [F.cross_entropy(z, TARGETS, reduction="none") for z in (STUDENT, TEACHER)]
    weights = 1 - torch.exp(-errors[0] / (errors[1] + 1e-7))
    # By hand: d softCE^T / d s = (p_s^T - p_t^T) / T.
    expected = T * weights[:, None] * ((STUDENT / T).softmax(1) - (TEACHER / T).softmax(1)) / B
    torch.testing.assert_close(s.grad, expected, rtol=1e-12, atol=1e-14)


def test_wsl_leaves_out_images_on_which_the_student_is_already_perfect():
    s = (50 * torch.eye(K, dtype=torch.float64)[TARGETS]).requires_grad_()
    losses.wsl_loss(s, TEACHER, TARGETS, T).backward()
    assert s.grad.abs().max() < 1e-15


@pytest.mark.parametrize("name", LOGIT_LOSSES)
def test_logit_losses_reach_the_student_only(name):
    s, t = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    LOGIT_LOSSES[name](s, t).backward()
    assert s.grad.abs().min(1).values.gt(0).all() and t.grad is None


@pytest.mark.parametrize("temperature", [1.0, 4.0, 50.0])
def test_kd_is_zero_without_gradient_at_equal_logits_and_positive_elsewhere(temperature):
    s = TEACHER.clone().requires_grad_()
    loss = losses.kd_loss(s, TEACHER, temperature)
    loss.backward()
    assert loss.item() == 0 and s.grad.abs().max() < 1e-13
    assert losses.kd_loss(STUDENT, TEACHER, temperature) > 0


def test_kd_at_high_temperature_matches_centred_logits():
    """Hinton et al. 2015: as T grows, the term becomes half the mean square of the centred logits' difference."""
    difference = STUDENT - TEACHER
    expected = (difference - difference.mean(1, keepdim=True)).square().mean(1).mean() / 2
    assert losses.kd_loss(STUDENT, TEACHER, 1e4).item() == pytest.approx(expected.item(), rel=1e-3)


def test_kd_is_the_soft_cross_entropy_without_the_teachers_entropy():
    q = (TEACHER / T).softmax(1)
    expected = T**2 * (losses.soft_cross_entropy(STUDENT, q, T) + (q * q.log()).sum(1).mean())
    assert losses.kd_loss(STUDENT, TEACHER, T).item() == pytest.approx(expected.item(), rel=1e-12)


def test_soft_cross_entropy_of_a_hard_target_is_cross_entropy():
    hard = F.one_hot(TARGETS, K).double()
    ours = losses.soft_cross_entropy(STUDENT, hard)
    assert ours.item() == pytest.approx(losses.cross_entropy(STUDENT, TARGETS).item(), rel=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("temperature", [1.0, 50.0])
def test_logit_losses_in_float32_are_near_those_in_float64(temperature, scale):
    s, t = (draw(64, 100, seed=seed) * scale for seed in (0, 1))
    y = torch.arange(64)
    for loss in (
        lambda s, t: losses.kd_loss(s, t, temperature),
        lambda s, t: losses.soft_cross_entropy(s, (t / temperature).softmax(1), temperature),
        lambda s, t: losses.wsl_loss(s, t, y, temperature),
    ):
        value, grad = {}, {}
        for dtype in (torch.float32, torch.float64):
            leaf = s.to(dtype, copy=True).requires_grad_()
            value[dtype] = loss(leaf, t.to(dtype))
            value[dtype].backward()
            grad[dtype] = leaf.grad.double()
        assert value[torch.float32].item() == pytest.approx(value[torch.float64].item(), rel=1e-3)
        difference = (grad[torch.float32] - grad[torch.float64]).abs().max()
        assert difference < 1e-3 * grad[torch.float64].abs().max()


def test_logits_of_other_shapes_and_bad_temperatures_are_refused():
    with pytest.raises(KdlibError, match=r"\(5, 4\) and \(5, 1\)"):
        losses.kd_loss(STUDENT, TEACHER[:, :1], T)
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(KdlibError, match="temperature"):
            losses.soft_cross_entropy(STUDENT, TEACHER.softmax(1), temperature)
