"""Losses on features, against naive loops in float64, finite differences, and by their properties."""

import math

import numpy as np
import pytest
import torch

from kdlib import losses
from kdlib.registry import KdlibError

B = 5


def draw(*shape, seed=0, scale=2.0, dtype=torch.float64):
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


MAPS = [draw(B, 3, 6, 6, seed=2), draw(B, 4, 4, 4, seed=3)]
TEACHER_MAPS = [draw(B, 2, 9, 9, seed=4), draw(B, 5, 6, 6, seed=5), draw(B, 6, 2, 2, seed=6)]
FEATURE_LOSSES = {
    "attention_transfer": lambda s, t: losses.attention_transfer([s], [t]),
    "rkd": lambda s, t: losses.rkd_loss(s.flatten(1), t.flatten(1)),
    "similarity_preserving": losses.similarity_preserving,
}


def naive_attention(features, side):
    """Places of the l2-normalised map of one image, averaged down to side x side by whole blocks."""
    c, h, _ = features.shape
    block = h // side
    values = []
    for i in range(side):
        for j in range(side):
            patch = features[:, i * block : (i + 1) * block, j * block : (j + 1) * block]
            values.append(sum(float(patch[k].mean()) ** 2 for k in range(c)) / c)
    norm = math.sqrt(sum(v * v for v in values))
    return [v / norm for v in values]


def naive_attention_transfer(student_maps, teacher_maps, sides):
    total = 0.0
    for s, t, side in zip(student_maps, teacher_maps, sides, strict=True):
        squares = [
            (a - b) ** 2
            for one, other in zip(s.numpy(), t.numpy(), strict=True)
            for a, b in zip(naive_attention(one, side), naive_attention(other, side), strict=True)
        ]
        total += sum(squares) / len(squares)
    return total


def test_attention_transfer_equals_naive_loops_and_pairs_from_the_last_stage():
    expected = naive_attention_transfer(MAPS, TEACHER_MAPS[1:], sides=[6, 2])
    assert losses.attention_transfer(MAPS, TEACHER_MAPS).item() == pytest.approx(expected, abs=1e-12)


def test_attention_transfer_sees_places_not_channels_or_scale():
    shuffled = [5.0 * m[:, torch.randperm(m.shape[1])] for m in MAPS]
    assert losses.attention_transfer(shuffled, MAPS).item() < 1e-28
    assert losses.attention_transfer(MAPS, [m.flip(3) for m in MAPS]).item() > 1e-4


def naive_rkd(features):
    e = features.numpy()
    n = len(e)
    distances = np.array([[math.sqrt(((e[i] - e[j]) ** 2).sum()) for j in range(n)] for i in range(n)])
    angles = np.zeros((n, n, n))
    for i in range(n):
        for j in range(n):
            for k in range(n):
                if i != j and k != j:
                    angles[i, j, k] = ((e[i] - e[j]) @ (e[k] - e[j])) / distances[i, j] / distances[k, j]
    return distances / distances[distances > 0].mean(), angles


def smooth_l1(a, b):
    d = np.abs(a - b)
    return np.where(d < 1, 0.5 * d**2, d - 0.5).mean()


def test_rkd_equals_naive_loops():
    student, teacher = draw(6, 3), draw(6, 5, seed=1)
    expected = [smooth_l1(a, b) for a, b in zip(naive_rkd(student), naive_rkd(teacher), strict=True)]
    assert losses.rkd_loss(student, teacher).item() == pytest.approx(25 * expected[0] + 50 * expected[1], rel=1e-12)
    assert losses.rkd_loss(student, teacher, 1, 0).item() == pytest.approx(expected[0], rel=1e-12)
    assert losses.rkd_loss(student, teacher, 0, 1).item() == pytest.approx(expected[1], rel=1e-12)


def test_rkd_is_zero_for_a_moved_turned_and_scaled_copy():
    teacher = draw(6, 4)
    turn, _ = torch.linalg.qr(draw(4, 4, seed=1))
    assert losses.rkd_loss(3 * teacher @ turn + 10, teacher).item() < 1e-20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rkd_bears_equal_images(dtype):
    for features in (draw(4, 3, dtype=dtype)[[0, 1, 1, 2]], torch.ones(4, 3, dtype=dtype)):
        student = features.clone().requires_grad_()
        loss = losses.rkd_loss(student, draw(4, 3, seed=1, dtype=dtype))
        loss.backward()
        assert loss.isfinite() and student.grad.isfinite().all()


def test_similarity_preserving_equals_naive_loops():
    def rows(features):
        f = features.numpy().reshape(B, -1)
        q = np.array([[float(f[i] @ f[j]) for j in range(B)] for i in range(B)])
        return np.array([row / math.sqrt((row**2).sum()) for row in q])

    expected = ((rows(MAPS[0]) - rows(TEACHER_MAPS[1])) ** 2).sum() / B**2
    assert losses.similarity_preserving(MAPS[0], TEACHER_MAPS[1]).item() == pytest.approx(expected, rel=1e-12)


def test_similarity_preserving_sees_similarities_only():
    flat = MAPS[0].flatten(1)
    turn, _ = torch.linalg.qr(draw(flat.shape[1], flat.shape[1], seed=1))
    assert losses.similarity_preserving(7 * flat @ turn, MAPS[0]).item() < 1e-25
    two = torch.eye(2, dtype=torch.float64)  # by hand: rows (1, 0), (0, 1) against (1, 1) / sqrt 2 twice
    expected = (2 * (1 - math.sqrt(0.5)) ** 2 + 2 * 0.5) / 4
    assert losses.similarity_preserving(two, torch.ones(2, 1)).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_feature_losses_gradcheck(name):
    s = draw(4, 2, 3, 3).requires_grad_()
    t = draw(4, 3, 2, 2, seed=1)
    assert torch.autograd.gradcheck(lambda s: FEATURE_LOSSES[name](s, t), s)


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_feature_losses_reach_the_student_only_and_vanish_at_equal_features(name):
    s, t = MAPS[1].clone().requires_grad_(), TEACHER_MAPS[1].clone().requires_grad_()
    FEATURE_LOSSES[name](s, t).backward()
    assert s.grad.abs().max() > 0 and t.grad is None
    assert FEATURE_LOSSES[name](s, s.clone()).item() == 0


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_feature_losses_bear_dead_and_large_features(name):
    for scale in (0.0, 1e6):
        s = (scale * draw(4, 3, 5, 5, dtype=torch.float32)).requires_grad_()
        loss = FEATURE_LOSSES[name](s, draw(4, 2, 5, 5, seed=1, dtype=torch.float32))
        loss.backward()
        assert loss.isfinite() and s.grad.isfinite().all()


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_features_of_another_batch_are_refused(name):
    with pytest.raises(KdlibError, match="5 and 1 images"):
        FEATURE_LOSSES[name](MAPS[0], MAPS[0][:1])


def test_attention_transfer_without_maps_is_refused():
    with pytest.raises(KdlibError, match="features=True"):
        losses.attention_transfer([], MAPS)


def test_rkd_has_a_bounded_gradient_where_two_students_coincide():
    """As behind a ReLU that lets nothing through: a difference of 0 has no direction."""
    features = torch.zeros(4, 3).index_fill(0, torch.tensor([2, 3]), 1.0) + torch.eye(4, 3) * torch.tensor(
        [[0], [0], [1], [2]]
    )
    features.requires_grad_()
    losses.rkd_loss(features, torch.randn(4, 5, generator=torch.Generator().manual_seed(0))).backward()
    assert features.grad.norm() < 1e3
