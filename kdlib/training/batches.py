"""The whole data set as tensors on the training device, and the batches of an epoch."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from functools import partial

import torch

from kdlib import data, draws
from kdlib.augment import augmentations, mixings
from kdlib.data.split import fingerprint, halve, held_out_split, long_tail
from kdlib.registry import KdlibError
from kdlib.run import Run


@dataclass
class Batch:
    """What the loss terms see: images (B, C, H, W), normalised; `index` (B,) counts in the training images;
    `labels` is a list of (targets (B,), weights (B,) or None); `class_counts` (K,) of all training images; `key` names
    the batch, for whatever a term draws (kdlib.draws)."""

    index: torch.Tensor
    images: torch.Tensor
    labels: list[tuple[torch.Tensor, torch.Tensor | None]]
    class_counts: torch.Tensor
    key: tuple
    _drawn: dict = field(default_factory=dict, repr=False)

    def once(self, name: Hashable, draw: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What all students of the batch draw alike, drawn once (or by each thread that asks before it is there)."""
        if name not in self._drawn:
            self._drawn[name] = draw()
        return self._drawn[name]


class Images:
    """All images that a cohort sees: training, held-out and test, uint8 on `device`, and their labels."""

    def __init__(self, run: Run, device: torch.device | str = "cpu"):
        options = data.datasets[run.data].options
        if "flip" not in options:
            raise KdlibError(f"Data set '{run.data}' is registered without flip: say whether images may be mirrored.")
        images, labels, self.class_names = data.load(run.data, "train")
        test, test_labels, _ = data.load(run.data, "test")
        self.fingerprint = fingerprint(torch.cat([images, test]), torch.cat([labels, test_labels]))
        self.num_classes, self.channels = len(self.class_names), images.shape[1]
        # Of every training image at its own size, whatever is held out or halved later.
        self.mean, self.std = statistics(images).float().view(2, -1, 1, 1).to(device)
        size = run.image_size or images.shape[-1]
        train, held_out = held_out_split(labels, **held_out_quota(run))
        train = long_tail(labels, train, run.imbalance_factor)
        place = partial(torch.Tensor.to, device=device)
        images, test = halve(images, size), halve(test, size)
        self.images, self.labels = place(images[train]), place(labels[train])
        self.held_out, self.held_out_labels = place(images[held_out]), labels[held_out]
        self.test, self.test_labels = place(test), test_labels
        self.image_size = size
        self.class_counts = torch.bincount(self.labels, minlength=self.num_classes)
        self._augment = partial(augmentations[run.augmentation].load(), flip=options["flip"])
        self._mix = partial(mixings[run.mixing].load(), alpha=run.mixing_alpha)
        self._batch_size, self._data_seed = run.batch_size, run.data_seed

    def steps(self) -> int:
        """Batches an epoch. A last batch of one image is dropped: BatchNorm needs two."""
        full, rest = divmod(len(self.labels), self._batch_size)
        return full + (rest > 1)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches, the same for every run with this data_seed, in any process."""
        order = torch.from_numpy(draws.permutation(len(self.labels), self._data_seed, epoch, "order"))
        for step, index in enumerate(order.split(self._batch_size)[: self.steps()]):
            index, key = index.to(self.images.device), (self._data_seed, epoch, step)
            images = self._augment(self.images.index_select(0, index), partial(self._draw, len(index), key))
            images, parts = self._mix(self.normalise(images), key)
            labels = [(self.labels[index][order], weights) for order, weights in parts]
            yield Batch(index, images, labels, self.class_counts, key)

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 -> float32 with mean 0 and standard deviation 1 a channel, channels_last."""
        normal = images.float().div_(255).sub_(self.mean).div_(self.std)
        return normal.contiguous(memory_format=torch.channels_last)

    def _draw(self, count: int, key: tuple, purpose: str, choices: int) -> torch.Tensor:
        words = draws.words(count, *key, purpose)
        return torch.from_numpy((words % choices).astype("int64")).to(self.images.device)


def statistics(images: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation (2, C) of pixels / 255, of uint8 images (N, C, H, W), float64.

    By counting the 256 values: exact, and twenty times as fast as over the pixels as floats.
    """
    shares = torch.stack([torch.bincount(c.flatten(), minlength=256) for c in images.unbind(1)]).double()
    shares /= shares.sum(1, keepdim=True)
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = shares @ values
    return torch.stack([mean, (shares * (values - mean[:, None]).square()).sum(1).sqrt()])


def held_out_quota(run: Run) -> dict[str, int]:
    """What `held_out_split` needs to know: the run's own number a class, or else the data set's."""
    if run.held_out is not None:
        return {"per_class": run.held_out}
    options = data.datasets[run.data].options
    for option, name in (("held_out", "per_class"), ("held_out_total", "total")):
        if option in options:
            return {name: options[option]}
    raise KdlibError(f"Data set '{run.data}' is registered without held_out: say how many training images a class.")
