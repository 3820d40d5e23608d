"""The held-out split, the long tail, and the small operations on a whole data set."""

import numpy as np
import pytest
import torch

from kdlib import data
from kdlib.data.split import long_tail
from kdlib.registry import KdlibError


def test_held_out_is_balanced_and_always_the_same():
    labels = torch.arange(1000) % 10
    train, held_out = data.held_out_split(labels, per_class=7)
    assert labels[held_out].bincount().tolist() == [7] * 10
    assert sorted([*train.tolist(), *held_out.tolist()]) == list(range(1000))
    assert train.tolist() == sorted(train.tolist()) and held_out.tolist() == sorted(held_out.tolist())
    assert data.held_out_split(labels.numpy(), per_class=7)[1].tolist() == held_out.tolist()
    more = data.held_out_split(labels, per_class=20)[1]
    assert set(held_out.tolist()) < set(more.tolist())


def test_held_out_is_spread_over_all_images():
    """Each image equally likely: the mean place of 2,000 of 10,000 lies within four standard errors of the middle."""
    held_out = data.held_out_split(torch.zeros(10_000, dtype=torch.int64), total=2000)[1].double()
    error = (10_000**2 / 12 / 2000 * 0.8) ** 0.5
    assert abs(held_out.mean() - 4999.5) < 4 * error


def test_stratified_by_largest_remainders():
    labels = np.repeat([0, 1, 2], [10, 6, 4])  # 7 of 20: quotas 3.5, 2.1 and 1.4
    assert np.bincount(labels[data.held_out_split(labels, total=7)[1]]).tolist() == [4, 2, 1]
    labels = np.repeat([0, 1, 2, 3], 5)  # 6 of 20: 1.5 each, ties to the lower class
    assert np.bincount(labels[data.held_out_split(labels, total=6)[1]]).tolist() == [2, 2, 1, 1]


@pytest.mark.parametrize("none", [{"per_class": 0}, {"total": 0}])
def test_none_held_out(none):
    train, held_out = data.held_out_split(np.zeros(5, int), **none)
    assert train.tolist() == [0, 1, 2, 3, 4] and held_out.tolist() == [] and held_out.dtype == torch.int64


@pytest.mark.parametrize("wrong", [{}, {"per_class": 1, "total": 1}, {"per_class": -1}, {"total": -1}])
def test_held_out_needs_one_number(wrong):
    with pytest.raises(KdlibError, match="give one of the two"):
        data.held_out_split(np.zeros(5, int), **wrong)


@pytest.mark.parametrize("many", [{"per_class": 4}, {"per_class": 5}, {"total": 14}, {"total": 99}])
def test_a_class_with_too_few_images(many):
    with pytest.raises(KdlibError, match="Class 1 has 4 images.*at most 3 per class"):
        data.held_out_split(np.repeat([1, 2], [4, 10]), **many)


@pytest.mark.parametrize(
    "n_max, num_classes, factor, total",
    [
        (4500, 10, 50, 12_596),
        (4500, 10, 100, 11_165),
        (450, 100, 50, 11_349),
        (450, 100, 100, 9_754),
        (5000, 10, 50, 13_996),
        (5000, 10, 100, 12_406),
        (500, 100, 50, 12_608),
        (500, 100, 100, 10_847),
    ],
)
def test_long_tailed_counts(n_max, num_classes, factor, total):
    counts = data.long_tailed_counts(n_max, num_classes, factor)
    assert sum(counts) == total and counts[0] == n_max and counts[-1] == n_max // factor


@pytest.mark.parametrize("num_classes", [2, 3, 4, 5, 6, 10])
@pytest.mark.parametrize("factor", [1, 2, 9, 10, 16, 27, 32, 100, 625, 1000])
def test_long_tailed_counts_are_exact(num_classes, factor):
    """n is right if n^(K-1) IF^c <= n_max^(K-1) < (n+1)^(K-1) IF^c, in whole numbers."""
    steps = num_classes - 1
    for n_max in (1000, 4500, 6750, 10_000):
        for c, n in enumerate(data.long_tailed_counts(n_max, num_classes, factor)):
            assert n**steps * factor**c <= n_max**steps < (n + 1) ** steps * factor**c


@pytest.mark.parametrize(
    "n_max, num_classes, factor", [(100, 10, 0.5), (100, 10, float("nan")), (100, 1, 10), (9, 10, 10)]
)
def test_long_tails_that_cannot_be(n_max, num_classes, factor):
    with pytest.raises(KdlibError, match="give"):
        data.long_tailed_counts(n_max, num_classes, factor)


LABELS = torch.arange(5000) % 10  # 500 a class


@pytest.mark.parametrize("factor", [1, 2.5, 10, 100, 450])
def test_a_long_tail_has_the_counts_of_the_formula(factor):
    train, _ = data.held_out_split(LABELS, per_class=50)
    kept = long_tail(LABELS, train, factor)
    assert LABELS[kept].bincount().tolist() == data.long_tailed_counts(450, 10, factor)
    assert set(kept.tolist()) <= set(train.tolist()) and kept.tolist() == sorted(kept.tolist())


def test_the_images_of_a_longer_tail_are_among_those_of_a_shorter_one():
    everyone = torch.arange(5000)
    tails = [set(long_tail(LABELS, everyone, factor).tolist()) for factor in (1, 2, 50, 100)]
    assert tails[0] > tails[1] > tails[2] > tails[3]
    assert tails[3] == set(long_tail(LABELS, everyone, 100).tolist())


def test_a_long_tail_starts_from_the_smallest_class():
    labels = torch.tensor([0] * 30 + [1] * 10 + [2] * 20)
    assert labels[long_tail(labels, torch.arange(60), 4)].bincount().tolist() == [10, 5, 2]
    assert len(long_tail(labels, torch.arange(60), 1)) == 60  # without a tail nothing is left out


def test_a_tail_that_would_empty_a_class_gets_one_sentence():
    with pytest.raises(KdlibError, match="factor of 501 leaves the last class empty at 500.*give 500 or less"):
        long_tail(LABELS, torch.arange(5000), 501)


def test_fingerprint_sees_pixels_labels_and_order():
    images, labels = torch.randint(256, (12, 1, 8, 8), dtype=torch.uint8), torch.arange(12)
    flipped = torch.flip(images, [0]), torch.flip(labels, [0])
    others = [(images, labels + 1), (images + 1, labels), flipped, (images.reshape(12, 4, 4, 4), labels)]
    marks = {data.fingerprint(*pair) for pair in [(images, labels), *others]}
    assert len(marks) == 5 and all(len(mark) == 16 and int(mark, 16) >= 0 for mark in marks)
    assert data.fingerprint(images.clone(), labels.clone()) in marks
    strided = torch.stack([images, images], -1)[..., 0]
    assert data.fingerprint(strided, labels) == data.fingerprint(images, labels)


def test_halving_is_the_rounded_mean():
    images = torch.tensor([[0, 1, 255, 255], [1, 0, 255, 255], [0, 0, 7, 8], [0, 1, 9, 9]], dtype=torch.uint8)
    assert data.halve(images[None, None], 2).tolist() == [[[[1, 255], [0, 8]]]]  # .5 up; 8.25 down
    images = torch.randint(0, 256, (20, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    once = (torch.nn.functional.avg_pool2d(images.double(), 2) + 0.5).floor().to(torch.uint8)
    assert torch.equal(data.halve(images, 16), once)
    assert torch.equal(data.halve(images, 8), data.halve(once, 8))
    assert data.halve(images, 32) is images


@pytest.mark.parametrize("size", [0, 4, 16, 48])
def test_sizes_that_halving_does_not_reach(size):
    with pytest.raises(KdlibError, match=f"24 x 24 cannot be halved to {size} x {size}: give one of 24, 12, 6, 3."):
        data.halve(torch.zeros(1, 1, 24, 24, dtype=torch.uint8), size)
