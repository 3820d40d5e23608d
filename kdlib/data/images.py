"""From a data set's name to its images, checked and in canonical order."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from kdlib.data import datasets
from kdlib.data.storage import Arrays, data_root
from kdlib.registry import KdlibError, unknown

SPLITS = ("train", "test")


def load(name: str, split: str, root: str | Path | None = None) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    """All images of a split, in canonical order, so that every source of a data set gives the same indices.

    Returns images uint8 (N, C, H, W), labels int64 (N,) and the class names. They are looked for under `root`, else
    $KDLIB_DATA, else the user's cache, and downloaded if nothing is there. "train" includes the held-out images.
    Raises KdlibError if they cannot be had, a file is damaged, or they are not what the data set's options promise.

    >>> images, labels, class_names = load("digits", "test")
    >>> images.shape, images.dtype, class_names[labels[0]]
    (torch.Size([540, 1, 8, 8]), torch.uint8, '7')
    """
    if split not in SPLITS:
        raise KdlibError(unknown("split", split, SPLITS))

    def complain(trouble: str) -> KdlibError:
        return KdlibError(f"Data set '{name}', split '{split}': {trouble}.")

    loaded = datasets[name].call("a data set is a function of (split, root)", split, data_root(root))
    images, labels, class_names = canonical(validated(name, loaded, complain))
    return torch.from_numpy(images), torch.from_numpy(labels), class_names


def canonical(arrays: Arrays) -> Arrays:
    """The images in the order of the SHA-1 of their pixels, ties by label, whatever the order in the source."""
    images, labels, class_names = arrays
    keys = [(_sha1(image), label) for image, label in zip(images, labels.tolist(), strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    if order == list(range(len(keys))):  # from the cache: spares copying 150 MB
        return arrays
    return images[order], labels[order], class_names


def validated(name: str, arrays: Arrays, complain: Callable[[str], KdlibError]) -> Arrays:
    """(images, labels, class names) as uint8 N x C x H x W, int64 N and a list of texts.

    Where they are not what the data set's options promise, raises what `complain` makes of the trouble.
    """
    num_classes, *shape = promised(name)
    try:
        images, labels, class_names = arrays
        images, labels, class_names = np.ascontiguousarray(images), np.asarray(labels), [str(c) for c in class_names]
    except (TypeError, ValueError):
        form = "(images, labels, class names), the first two as one tensor or array each"
        raise complain(f"it returns {type(arrays).__name__}; give {form}") from None
    if images.dtype != np.uint8:
        raise complain(f"images are {images.dtype}; give uint8 from 0 to 255")
    if images.ndim != 4 or list(images.shape[1:]) != shape or len(images) == 0:
        raise complain(f"images are {_by(images.shape)}; give N x {_by(shape)}, N at least 1")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise complain(f"labels are {_by(labels.shape)} {labels.dtype}; give {len(images)} whole numbers")
    if labels.min() < 0 or labels.max() >= num_classes:
        wrong = next(label for label in labels.tolist() if not 0 <= label < num_classes)
        raise complain(f"a label is {wrong}; give labels from 0 to {num_classes - 1}")
    if len(class_names) != num_classes:
        raise complain(f"there are {len(class_names)} class names; give {num_classes}")
    return images, labels.astype(np.int64), class_names


def promised(name: str) -> tuple[int, int, int, int]:
    """(classes, channels, height, width) by the data set's options."""
    options = datasets[name].options
    for option in ("num_classes", "channels", "size"):
        if option not in options:
            raise KdlibError(f"Data set '{name}' is registered without {option}: add {option}=... to its registration.")
        if not isinstance(options[option], int) or options[option] < 1:
            raise KdlibError(f"Data set '{name}' has {option}={options[option]!r}: register it with a whole number.")
    return options["num_classes"], options["channels"], options["size"], options["size"]


def _sha1(image: np.ndarray) -> bytes:
    return hashlib.sha1(image, usedforsecurity=False).digest()


def _by(shape) -> str:
    return " x ".join(map(str, shape))
