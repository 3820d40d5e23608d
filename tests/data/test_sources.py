"""Every source of a data set gives the same images in the same order."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from cifar import NAMES, few, images_of, write_parquet, write_pickles
from sklearn.datasets import load_digits

from kdlib import data
from kdlib.data import sources, storage


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_source_gives_the_same_images_in_the_same_order(name, split, root):
    write_parquet(root / "parquet", name)
    archive = write_pickles(root / "pickles", name)
    images, labels, names = data.load(name, split, root / "parquet")
    others = data.load(few(archive, name), split, root / "pickles")
    assert torch.equal(images, others[0]) and torch.equal(labels, others[1]) and names == others[2] == NAMES[name]
    assert data.fingerprint(images, labels) == data.fingerprint(*others[:2])

    pixels, kinds = images_of(name, split)
    order = sorted(range(len(pixels)), key=lambda i: (hashlib.sha1(pixels[i].tobytes()).hexdigest(), kinds[i]))
    assert np.array_equal(images.numpy(), pixels[order]) and images.dtype == torch.uint8
    assert labels.tolist() == kinds[order].tolist() and labels.dtype == torch.int64


def test_parquet_comes_before_pickles(root):
    archive = write_pickles(root, "cifar10")
    layout = replace(sources.CIFAR10, archive=lambda: archive)
    assert sources.find(layout, "train", root).where.startswith("torchvision")
    write_parquet(root, "cifar10")
    assert sources.find(layout, "train", root).where.startswith("Parquet")


def test_digits():
    images, labels, names = data.load("digits", "train")
    test, test_labels, _ = data.load("digits", "test")
    assert images.shape == (1257, 1, 8, 8) and test.shape == (540, 1, 8, 8) and names == list("0123456789")
    both = torch.cat([images, test]), torch.cat([labels, test_labels])
    assert sorted(both[0].unique().tolist()) == [round(v * 255 / 16) for v in range(17)]
    counts = np.bincount(load_digits().target)
    assert both[1].bincount().tolist() == counts.tolist()
    assert np.abs(test_labels.bincount().numpy() - counts * 540 / 1797).max() < 1  # stratified

    # Pinned: every record of digits depends on these.
    train, held_out = data.held_out_split(labels, total=157)
    assert (len(train), len(held_out)) == (1100, 157)
    assert data.fingerprint(*both) == "b3c44e63614f39b1"
    assert held_out[:5].tolist() == [11, 23, 24, 37, 52]
    assert data.fingerprint(images[held_out], labels[held_out]) == "e8e5a9cc5ad031bb"


def test_cifar10_is_the_published_one():
    if sources.find(sources.CIFAR10, "train", storage.data_root()) is None:
        pytest.skip(f"CIFAR-10 is not in {storage.data_root()}: set KDLIB_DATA to have it checked")
    images, labels, names = data.load("cifar10", "train")
    _, test_labels, _ = data.load("cifar10", "test")
    assert labels.bincount().tolist() == [5000] * 10 and test_labels.bincount().tolist() == [1000] * 10
    assert names == ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    pixels = images.transpose(0, 1).flatten(1).double() / 255
    assert pixels.mean(1).tolist() == pytest.approx([0.49139968, 0.48215841, 0.44653091], abs=1e-8)
    assert pixels.std(1, correction=0).tolist() == pytest.approx([0.24703223, 0.24348513, 0.26158784], abs=1e-8)
