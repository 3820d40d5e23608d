"""From a name to images: names that nobody knows, and data sets of the user's own."""

import hashlib

import numpy as np
import pytest
import torch

from kdlib import data
from kdlib.registry import KdlibError


def test_names_and_splits_that_nobody_knows(root):
    with pytest.raises(KdlibError, match="did you mean 'cifar10'"):
        data.load("cifar1O", "train", root)
    with pytest.raises(KdlibError, match="did you mean 'test'"):
        data.load("digits", "tests", root)


IMAGES = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
OPTIONS = {"num_classes": 4, "channels": 1, "size": 8, "held_out": 1, "flip": False}


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_a_data_set_registered_by_the_user(kind, root):
    @data.datasets.register("mine", **OPTIONS)
    def mine(split, folder):
        assert folder == root
        return kind(IMAGES), kind(np.arange(12, dtype=np.uint8) % 4), list("wxyz")

    images, labels, names = data.load("mine", "train", root)
    order = sorted(range(12), key=lambda i: hashlib.sha1(IMAGES[i].tobytes()).digest())
    assert np.array_equal(images.numpy(), IMAGES[order]) and labels.tolist() == [i % 4 for i in order]
    assert labels.dtype == torch.int64 and names == ["w", "x", "y", "z"]
    assert "8 images, 2 per class" in data.describe("mine", root)


@pytest.mark.parametrize(
    "returned, trouble",
    [
        ((IMAGES / 255, np.zeros(12, int), "wxyz"), "images are float64"),
        ((IMAGES[:, 0], np.zeros(12, int), "wxyz"), "images are 12 x 8 x 8; give N x 1 x 8 x 8"),
        ((IMAGES[:0], np.zeros(0, int), "wxyz"), "images are 0 x 1 x 8 x 8"),
        ((IMAGES, np.zeros(12), "wxyz"), "labels are 12 float64"),
        ((IMAGES, np.zeros(11, int), "wxyz"), "labels are 11 int64; give 12"),
        ((IMAGES, np.full(12, 4), "wxyz"), "a label is 4; give labels from 0 to 3"),
        ((IMAGES, np.zeros(12, int), "wxy"), "3 class names; give 4"),
        ((IMAGES, np.zeros(12, int)), "it returns tuple; give (images, labels, class names)"),
        ((IMAGES, np.zeros(12, int), 4), "it returns tuple; give"),
        (([IMAGES[0], IMAGES[0, 0]], np.zeros(2, int), "wxyz"), "it returns tuple; give"),
        (None, "it returns NoneType"),
    ],
)
def test_what_a_user_may_get_wrong(returned, trouble):
    data.datasets.add("wrong", lambda split, root: returned, **OPTIONS)
    with pytest.raises(KdlibError) as error:
        data.load("wrong", "train")
    assert "Data set 'wrong', split 'train'" in str(error.value) and trouble in str(error.value)


def test_a_registration_without_its_size():
    data.datasets.add("wrong", lambda split, root: None, num_classes=4, channels=1)
    with pytest.raises(KdlibError, match="registered without size"):
        data.load("wrong", "train")


@pytest.mark.parametrize("size", ["8", (8, 8), 0])
def test_a_registration_with_a_size_that_is_none(size):
    data.datasets.add("wrong", lambda split, root: None, num_classes=4, channels=1, size=size)
    with pytest.raises(KdlibError, match="Data set 'wrong' has size=.*: register it with a whole number"):
        data.load("wrong", "train")


def test_a_data_set_that_takes_something_else():
    data.datasets.add("wrong", lambda: None, **OPTIONS)
    with pytest.raises(KdlibError, match=r"'wrong' does not take .*: a data set is a function of \(split, root\)"):
        data.load("wrong", "train")
