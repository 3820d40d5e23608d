"""Which images are held out, how many a long tail leaves, and the small operations on a whole data set."""

import hashlib

import numpy as np
import torch

from kdlib import draws
from kdlib.registry import KdlibError

SPLIT_SEED = 0  # never changes: every record depends on which images were held out


def held_out_split(
    labels, per_class: int | None = None, total: int | None = None, purpose: str = "held_out"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices of (training, held-out) images, both sorted int64: the same for every run, repeat and machine.

    `labels` (N,). Either `per_class` images of each class, or `total` images in the classes' own proportions (largest
    remainders); 0 holds none out. Raises KdlibError if a class has no image left to train on.

    >>> train, held_out = held_out_split([0, 0, 0, 1, 1, 1], per_class=1)
    >>> train, held_out
    (tensor([0, 2, 3, 5]), tensor([1, 4]))
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    if (per_class is None) == (total is None) or min(per_class or 0, total or 0) < 0:
        raise KdlibError(
            f"Held-out images: {per_class} per class and {total} in all were asked for; give one of the two, 0 or more "
            "(options held_out or held_out_total of a data set)."
        )
    quotas = _apportion(counts, total) if per_class is None else np.full(len(classes), per_class)
    for label, count, quota in zip(classes, counts, quotas, strict=True):
        if 0 < quota >= count:
            raise KdlibError(
                f"Class {label} has {count} images, too few to hold {quota} out and train on the rest: hold out at "
                f"most {counts.min() - 1} per class, or give more images."
            )
    lots = draws.words(len(labels), purpose, SPLIT_SEED)
    members = [np.flatnonzero(labels == label) for label in classes]
    chosen = [m[np.argsort(lots[m], kind="stable")[:quota]] for m, quota in zip(members, quotas, strict=True)]
    held_out = np.zeros(len(labels), dtype=bool)
    held_out[np.concatenate(chosen)] = True
    return torch.from_numpy(np.flatnonzero(~held_out)), torch.from_numpy(np.flatnonzero(held_out))


def _apportion(counts: np.ndarray, total: int) -> np.ndarray:
    """`total` seats in proportion to `counts` by largest remainders, ties to the lower class."""
    seats, remainders = np.divmod(total * counts, counts.sum())
    seats[np.argsort(-remainders, kind="stable")[: total - seats.sum()]] += 1
    return seats


def long_tailed_counts(n_max: int, num_classes: int, imbalance_factor: float) -> list[int]:
    """Images per class of an exponential long tail (Cao et al. 2019): int(n_max * IF^(-c / (K - 1))), c = 0 .. K - 1.

    The first class has `n_max` images, the last n_max / IF. Raises KdlibError if IF < 1 or a class would be empty.

    >>> long_tailed_counts(n_max=4500, num_classes=4, imbalance_factor=100)
    [4500, 969, 208, 45]
    """
    if not imbalance_factor >= 1:
        raise KdlibError(f"The imbalance factor is {imbalance_factor}: give 1 (balanced) or more, such as 50.")
    if num_classes < 2:
        raise KdlibError(f"A long tail over {num_classes} classes: give 2 or more.")
    if n_max < imbalance_factor:
        raise KdlibError(
            f"An imbalance factor of {imbalance_factor} leaves the last class empty at {n_max} images in the first: "
            f"give {n_max} or less."
        )
    shares = [imbalance_factor ** (-c / (num_classes - 1)) for c in range(num_classes)]
    return [int(n_max * share + 1e-9) for share in shares]  # 100 * 32 ** (-2 / 5) is 25, not 24.999999999999996


def long_tail(labels: torch.Tensor, indices: torch.Tensor, imbalance_factor: float) -> torch.Tensor:
    """Those of `indices` (sorted) that a long tail leaves, class 0 its head: the same for every run and machine.

    The images of a larger factor are among those of a smaller one; at factor 1 all stay, whatever the classes' sizes.
    """
    if imbalance_factor == 1:
        return indices
    classes = labels[indices].numpy()
    sizes = np.bincount(classes)
    lots = draws.words(len(labels), "long tail", SPLIT_SEED)[indices.numpy()]
    kept = []
    for label, count in enumerate(long_tailed_counts(int(sizes.min()), len(sizes), imbalance_factor)):
        members = np.flatnonzero(classes == label)
        kept.append(members[np.argsort(lots[members], kind="stable")[:count]])
    return indices[torch.from_numpy(np.sort(np.concatenate(kept)))]


def fingerprint(images: torch.Tensor, labels: torch.Tensor) -> str:
    """16 hex digits of the SHA-256 of shape, pixels and labels: equal for equal data in equal order.

    `images` uint8 (N, C, H, W), `labels` int64 (N,), on the CPU.

    >>> fingerprint(torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1]))
    'd54f7f7e300e3ac2'
    """
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    digest.update(np.ascontiguousarray(images.numpy()))
    digest.update(np.ascontiguousarray(labels.numpy(), dtype="<i8"))
    return digest.hexdigest()[:16]


def halve(images: torch.Tensor, image_size: int) -> torch.Tensor:
    """Square uint8 images (N, C, H, H) brought to `image_size` by means over 2 x 2 pixels, rounded half up.

    Raises KdlibError if halving the side never gives that size.

    >>> halve(torch.tensor([[[[0, 1], [1, 1]]]], dtype=torch.uint8), image_size=1)
    tensor([[[[1]]]], dtype=torch.uint8)
    """
    side = images.shape[-1]
    sizes = [side >> k for k in range(side.bit_length()) if side % (1 << k) == 0]
    if image_size not in sizes:
        raise KdlibError(
            f"Images of {side} x {side} cannot be halved to {image_size} x {image_size}: give one of "
            f"{', '.join(map(str, sizes))}."
        )
    while images.shape[-1] > image_size:
        a, b, c, d = (images[..., i::2, j::2].to(torch.int16) for i in (0, 1) for j in (0, 1))
        images = ((a + b + c + d + 2) // 4).to(torch.uint8)
    return images
