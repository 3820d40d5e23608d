"""Augmentation against one image at a time, and its random numbers."""

import hashlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from scipy import stats

import kdlib
from kdlib import draws
from kdlib.augment import augmentations, mixings
from kdlib.training.batches import Images

ROOT = Path(kdlib.__file__).resolve().parents[1]
standard = augmentations["standard"].load()


def draw(count, key, purpose, choices):
    return torch.from_numpy((draws.words(count, key, purpose) % choices).astype("int64"))


def random_images(count=50, channels=3, side=32):
    return torch.randint(
        256, (count, channels, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_crop_and_flip_are_those_of_one_image_at_a_time(side, channels, flip):
    images = random_images(channels=channels, side=side)
    rows, columns, flips = (draw(50, "key", p, n).tolist() for p, n in
                            (("crop rows", side // 4 + 1), ("crop columns", side // 4 + 1), ("flip", 2)))  # fmt: skip
    expected = []
    for image, row, column, flipped in zip(images.numpy(), rows, columns, flips, strict=True):
        pad = {8: 1, 16: 2, 32: 4}[side]
        padded = np.zeros((channels, side + 2 * pad, side + 2 * pad), np.uint8)
        padded[:, pad : pad + side, pad : pad + side] = image
        crop = padded[:, row : row + side, column : column + side]
        expected.append(crop[:, :, ::-1] if flip and flipped else crop)
    got = standard(images, partial(draw, 50, "key"), flip)
    assert got.dtype == torch.uint8
    assert np.array_equal(got.numpy(), np.stack(expected))


def test_the_input_is_left_as_it_is():
    images = random_images()
    before = images.clone()
    standard(images, partial(draw, 50, "key"), True)
    assert torch.equal(images, before)
    assert torch.equal(augmentations["none"].load()(images, None, True), before)


def test_offsets_and_flips_are_uniform_and_independent_per_image():
    count = 16_200
    # Each pixel says where it comes from, so the crop's corner tells the offsets and the flip.
    places = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8).expand(count, 1, 8, 8) + 1
    got = standard(places, partial(draw, count, "distribution"), True)
    centre, right = got[:, 0, 3, 3].long() - 1, got[:, 0, 3, 4].long() - 1
    flipped = (right < centre).long()
    row, column = centre // 8 - 2, torch.where(flipped == 1, 5 - centre % 8, centre % 8 - 2)
    assert set(row.tolist()) == set(column.tolist()) == {0, 1, 2}
    cells = torch.bincount((row * 3 + column) * 2 + flipped, minlength=18).double()
    chi_square = ((cells - count / 18) ** 2 / (count / 18)).sum().item()
    assert chi_square < 40.8  # 99.9% level at 17 degrees of freedom


def test_digits_are_never_mirrored():
    images = Images(tiny.run())
    source = torch.nn.functional.pad(images.images, (1, 1, 1, 1))
    crops = torch.stack([source[:, :, r : r + 8, c : c + 8] for r in range(3) for c in range(3)])
    for batch in images.batches(0):
        own = images.normalise(crops[:, batch.index].flatten(0, 1)).view(9, *batch.images.shape)
        assert (own == batch.images).flatten(2).all(2).any(0).all()


def test_the_data_sets_option_lets_images_be_mirrored():
    kdlib.datasets.add("mirrored", tiny.images_of, **{**kdlib.datasets["tiny"].options, "flip": True})
    one, other = (next(Images(tiny.run(data=name)).batches(0)).images for name in ("tiny", "mirrored"))
    same, turned = ((a == other).flatten(1).all(1) for a in (one, one.flip(3)))
    assert (same | turned).all()  # the offsets are drawn apart from the flips
    assert 0.2 < turned.float().mean() < 0.8


def test_random_words_never_change():
    """Philox's raw words are the same everywhere; with other ones every run would be another run under its old key."""
    assert draws.words(3, 0, 1, 2, "crop rows").tolist() == [
        14412000821739527225,
        1026958844803330505,
        6936811806946156121,
    ]
    assert draws.permutation(8, 0, 0, "order").tolist() == [3, 6, 2, 0, 4, 1, 7, 5]
    assert draws.words(5, "a").tolist()[:3] == draws.words(3, "a").tolist()
    assert draws.words(3, "a").tolist() != draws.words(3, "b").tolist()


def test_draws_depend_on_nothing_drawn_before():
    images = Images(tiny.run())
    alone = [b.images for b in images.batches(3)]
    for epoch in (0, 5, 1):
        for _ in images.batches(epoch):
            torch.rand(3), np.random.rand(3)
    for one, other in zip(alone, images.batches(3), strict=True):
        assert torch.equal(one, other.images)


def test_draws_are_the_same_in_another_process():
    script = (
        "import sys; sys.path[:0] = sys.argv[1:]\nimport hashlib, tiny\nfrom kdlib.training.batches import Images\n"
        "sha = hashlib.sha256()\nfor b in Images(tiny.run()).batches(3): sha.update(b.images.contiguous().numpy())\n"
        "print(sha.hexdigest())"
    )
    command = [sys.executable, "-c", script, ROOT, Path(__file__).parent]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    here = hashlib.sha256()
    for batch in Images(tiny.run()).batches(3):
        here.update(batch.images.contiguous().numpy())
    assert here.hexdigest() == there


@pytest.mark.parametrize("alpha", [0.1, 1.0, 8.0])
def test_mixup_shares_are_the_larger_side_of_a_beta_distribution(alpha):
    """As often beyond each of four limits as scipy's distribution says, within four standard errors."""
    one = torch.zeros(2, 1, 1, 1)
    mixup = mixings["mixup"].load()
    shares = np.array([mixup(one, ("key", step), alpha)[1][0][1][0].item() for step in range(2000)])
    beta = stats.beta(alpha, alpha)
    assert shares.min() >= 0.5
    for limit in (0.55, 0.7, 0.9, 0.99):
        expected = beta.sf(limit) + beta.cdf(1 - limit)
        assert abs((shares > limit).mean() - expected) < 4 * (expected * (1 - expected) / 2000) ** 0.5 + 1e-12


def test_mixup_pairs_are_drawn_anew_for_every_batch():
    images = torch.arange(64.0).view(64, 1, 1, 1)
    mixup = mixings["mixup"].load()
    orders = {tuple(mixup(images, ("key", step), 1.0)[1][1][0].tolist()) for step in range(5)}
    assert len(orders) == 5 and all(sorted(order) == list(range(64)) for order in orders)
