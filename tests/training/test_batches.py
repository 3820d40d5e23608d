"""The batches of an epoch: who is in them, in which order, and how they are normalised."""

import pytest
import tiny
import torch

import kdlib
from kdlib import KdlibError, data
from kdlib.data.split import held_out_split
from kdlib.training.batches import Images, held_out_quota, statistics


def epoch(number=0, **fields):
    images = Images(tiny.run(**fields))
    return images, list(images.batches(number))


def test_an_epoch_has_every_training_image_once():
    images, batches = epoch()
    assert len(batches) == images.steps() == 5
    assert torch.cat([b.index for b in batches]).sort().values.equal(torch.arange(160))
    assert [len(b.index) for b in batches] == [32] * 5
    for batch in batches:
        assert batch.images.shape == (32, 1, 8, 8)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        ((targets, weights),) = batch.labels
        assert targets.equal(images.labels[batch.index]) and weights is None
        assert batch.class_counts.equal(torch.bincount(images.labels, minlength=10))


def test_a_long_tail_is_what_the_batches_and_the_losses_see():
    images, batches = epoch(imbalance_factor=4)
    (smallest, *_) = sorted(Images(tiny.run()).class_counts.tolist())
    assert images.class_counts.tolist() == data.long_tailed_counts(smallest, 10, 4)
    seen = torch.cat([b.labels[0][0] for b in batches])
    assert all(b.class_counts.equal(images.class_counts) for b in batches)
    assert len(images.labels) - len(seen) < 2 and images.labels[torch.cat([b.index for b in batches])].equal(seen)
    assert len(images.held_out) == 40 and len(images.test) == 100  # they stay as they are


def test_mixed_images_carry_two_labels_that_share_them():
    """Each image is lam x + (1 - lam) x' of the unmixed batch, and its labels say which x' and lam."""
    plain = epoch(2)[1]
    images, mixed = epoch(2, mixing="mixup", mixing_alpha=0.4)
    for before, after in zip(plain, mixed, strict=True):
        assert after.index.equal(before.index) and after.images.is_contiguous(memory_format=torch.channels_last)
        (first, share), (second, rest) = after.labels
        assert first.equal(before.labels[0][0])
        assert share.unique().numel() == 1 and 0.5 <= share[0] <= 1
        torch.testing.assert_close(share + rest, torch.ones(32))
        partners = (after.images - share[0] * before.images) / rest[0] if rest[0] > 1e-3 else None
        if partners is not None:
            who = torch.cdist(partners.flatten(1), before.images.flatten(1)).argmin(1)
            assert sorted(who.tolist()) == list(range(32)) and second.equal(first[who])
    assert len({after.labels[0][1][0].item() for after in mixed}) == 5  # one share a batch


def same(one, other):
    return [a.index.equal(b.index) and a.images.equal(b.images) for a, b in zip(one, other, strict=True)]


def test_batches_follow_the_data_seed_alone():
    _, one = epoch(4, data_seed=1)
    _, again = epoch(4, data_seed=1, seed=3, network="resnet8", lr=0.3, epochs=9)
    assert all(same(one, again))
    for other in (epoch(4, data_seed=2), epoch(5, data_seed=1)):
        assert not any(same(one, other[1]))


def test_without_augmentation_a_batch_is_its_images():
    images, batches = epoch(augmentation="none")
    for batch in batches:
        assert batch.images.equal(images.normalise(images.images[batch.index]))


def rest_of(rest):
    """A data set of 64 + `rest` training images."""

    def few(split, root):
        pixels, labels, names = tiny.images_of(split, root)
        return pixels[: 64 + rest], labels[: 64 + rest], names

    kdlib.datasets.add("few", few, num_classes=10, channels=1, size=8, held_out=0, flip=False)
    return tiny.run(data="few")


@pytest.mark.parametrize(("rest", "sizes"), [(0, [32, 32]), (1, [32, 32]), (2, [32, 32, 2])])
def test_a_last_batch_of_one_image_is_dropped(rest, sizes):
    images = Images(rest_of(rest))
    assert [len(b.index) for b in images.batches(0)] == sizes
    assert images.steps() == len(sizes)
    if rest == 1:  # never the same image, so all are seen
        left_out = {
            (set(range(65)) - set(torch.cat([b.index for b in images.batches(e)]).tolist())).pop() for e in (0, 1)
        }
        assert len(left_out) == 2


def test_splits_are_those_of_the_data_set():
    images = Images(tiny.run())
    all_images, labels, names = data.load("tiny", "train")
    test, test_labels, _ = data.load("tiny", "test")
    train, held_out = held_out_split(labels, total=40)
    assert images.images.equal(all_images[train]) and images.labels.equal(labels[train])
    assert images.held_out.equal(all_images[held_out]) and images.held_out_labels.equal(labels[held_out])
    assert images.test.equal(test) and images.test_labels.equal(test_labels)
    assert (images.num_classes, images.channels, images.image_size, images.class_names) == (10, 1, 8, names)
    assert images.fingerprint == data.fingerprint(torch.cat([all_images, test]), torch.cat([labels, test_labels]))


@pytest.mark.parametrize(("held_out", "expected"), [(None, 40), (0, 0), (2, 20)])
def test_a_run_says_how_many_are_held_out(held_out, expected):
    images = Images(tiny.run(held_out=held_out))
    assert (len(images.held_out), len(images.labels)) == (expected, 200 - expected)
    if held_out:
        assert torch.bincount(images.held_out_labels).tolist() == [held_out] * 10


def test_held_out_quotas_are_the_data_sets_own():
    quotas = {name: held_out_quota(tiny.run(data=name)) for name in ("digits", "cifar10", "cifar100")}
    assert quotas == {"digits": {"total": 157}, "cifar10": {"per_class": 500}, "cifar100": {"per_class": 50}}


def test_pixels_are_normalised_by_all_training_images():
    images = Images(tiny.run())
    everything, _, _ = data.load("tiny", "train")
    pixels = images.normalise(everything).double()
    assert pixels.mean().abs() < 1e-6
    assert (pixels.std(correction=0) - 1).abs() < 1e-6
    other = Images(tiny.run(held_out=3, image_size=4))
    assert other.mean.equal(images.mean) and other.std.equal(images.std)
    assert other.images.shape == (170, 1, 4, 4)


def test_statistics_are_those_of_the_pixels_as_floats():
    many = torch.randint(256, (30, 3, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = many.transpose(0, 1).flatten(1).double() / 255
    expected = torch.stack([pixels.mean(1), pixels.std(1, correction=0)])
    torch.testing.assert_close(statistics(many), expected, rtol=1e-14, atol=0)


def test_statistics_of_the_digits_never_change():
    """To the bit: another mean would be another training under the same key."""
    images = Images(tiny.run(data="digits"))
    assert [images.mean.item().hex(), images.std.item().hex()] == ["0x1.3831280000000p-2", "0x1.80659a0000000p-2"]


@pytest.mark.parametrize("missing", ["flip", "held_out_total", "size"])
def test_a_data_set_without_an_option_gets_one_sentence(missing):
    options = {k: v for k, v in kdlib.datasets["tiny"].options.items() if k != missing}
    kdlib.datasets.add("short", tiny.images_of, **options)
    with pytest.raises(KdlibError, match=f"Data set 'short' is registered without {missing.removesuffix('_total')}"):
        Images(tiny.run(data="short"))


def test_an_impossible_size_gets_one_sentence():
    with pytest.raises(KdlibError, match="Images of 8 x 8 cannot be halved to 5 x 5: give one of 8, 4, 2, 1"):
        Images(tiny.run(image_size=5))
