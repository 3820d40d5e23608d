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
from kdlib.training.failures import RunError, blame

Part = tuple[torch.Tensor | slice, torch.Tensor | None]  # (order, weights), as kdlib.augment says


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
        """What all learners draw alike for the batch, drawn once (or by each thread that asks before it is there)."""
        if name not in self._drawn:
            self._drawn[name] = draw()
        return self._drawn[name]


class Images:
    """All images that a cohort sees: training, held-out and test, uint8 on `device`, and their labels."""

    def __init__(self, run: Run, device: torch.device | str = "cpu"):
        options = data.datasets[run.data].options
        if "flip" not in options:
            raise KdlibError(f"Data set '{run.data}' is registered without flip: say whether images may be mirrored.")
        with blame(f"the data set {run.data}", passing=KdlibError):
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
        self._run, self._flip = run, options["flip"]

    def steps(self) -> int:
        """Batches per epoch. A last batch of one image is dropped: BatchNorm needs two."""
        full, rest = divmod(len(self.labels), self._run.batch_size)
        return full + (rest > 1)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches, the same for every run with this data_seed, in any process. RunError where the run's
        augmentation or mixing goes wrong."""
        seed = self._run.data_seed
        order = torch.from_numpy(draws.permutation(len(self.labels), seed, epoch, "order"))
        for step, index in enumerate(order.split(self._run.batch_size)[: self.steps()]):
            index, key = index.to(self.images.device), (seed, epoch, step)
            images, parts = self._mixed(self.normalise(self._augmented(index, key)), key)
            labels = [(self.labels[index][order], weights) for order, weights in parts]
            yield Batch(index, images, labels, self.class_counts, key)

    def _augmented(self, index: torch.Tensor, key: tuple) -> torch.Tensor:
        images, part = self.images.index_select(0, index), f"the augmentation {self._run.augmentation}"
        with blame(part):
            made = augmentations[self._run.augmentation].load()(
                images, partial(self._draw, len(index), key), flip=self._flip
            )
        if _form(made) != _form(images):
            raise RunError(f"{part} made {_form(made)} of {_form(images)}: let it keep shape and type")
        return made

    def _mixed(self, images: torch.Tensor, key: tuple) -> tuple[torch.Tensor, list[Part]]:
        part = f"the mixing {self._run.mixing}"
        with blame(part):
            made, parts = mixings[self._run.mixing].load()(images, key, alpha=self._run.mixing_alpha)
            if key[-1] == 0:  # once an epoch: it waits for a GPU
                _check_parts(parts, len(images), part)
        if _form(made) != _form(images):
            raise RunError(f"{part} made {_form(made)} of {_form(images)}: let it keep shape and type")
        return made, parts

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 -> float32 with mean 0 and standard deviation 1 per channel, channels_last."""
        normal = images.float().div_(255).sub_(self.mean).div_(self.std)
        return normal.contiguous(memory_format=torch.channels_last)

    def _draw(self, count: int, key: tuple, purpose: str, choices: int) -> torch.Tensor:
        words = draws.words(count, *key, purpose)
        return torch.from_numpy((words % choices).astype("int64")).to(self.images.device)


def _form(images) -> str:
    """What images are, in words."""
    if not isinstance(images, torch.Tensor):
        return type(images).__name__
    return f"{' x '.join(map(str, images.shape))} {str(images.dtype).removeprefix('torch.')}"


def _check_parts(parts: list[Part], count: int, mixing: str) -> None:
    """RunError unless each part has a place for each image, and the shares of an image sum to 1."""
    shares = torch.zeros(count)
    for order, weights in parts:
        places = torch.arange(count)[order if isinstance(order, slice) else order.cpu()]
        shares += torch.ones(count) if weights is None else weights.detach().cpu()
        if len(places) != count:
            raise RunError(f"{mixing} gave {len(places)} places for {count} images: give one per image")
    if not torch.allclose(shares, torch.ones(count), atol=1e-4):
        raise RunError(f"{mixing} gave an image shares that sum to {_farthest(shares):.4g}: let them sum to 1")


def _farthest(shares: torch.Tensor) -> float:
    return shares[(shares - 1).abs().argmax()].item()


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
    """What `held_out_split` needs to know: the run's own number per class, or else the data set's."""
    if run.held_out is not None:
        return {"per_class": run.held_out}
    options = data.datasets[run.data].options
    for option, name in (("held_out", "per_class"), ("held_out_total", "total")):
        if option in options:
            return {name: options[option]}
    raise KdlibError(f"Data set '{run.data}' is registered without held_out: say how many training images per class.")
