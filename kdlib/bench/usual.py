"""The usual way: what most public code does. Networks and losses are ours, so that the way alone is compared.

One run a process, contiguous tensors, PIL transforms in a DataLoader, the teacher forward in every run, SGD not fused,
torch's own threads on all cores; CRD gathers the bank's rows of every image.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import count, repeat
from multiprocessing import get_all_start_methods, get_context

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from kdlib.bench.measure import seconds
from kdlib.bench.sample import sample
from kdlib.losses.contrastive import CRD, EPSILON, other_classes
from kdlib.run import Run
from kdlib.training.batches import Batch, Images
from kdlib.training.learner import Summand
from kdlib.training.network import Output, forward, network

WARM_UP = 2  # steps that do not count
ENDLESS = 10**7  # images, which the workers read on while the last steps are timed


@contextmanager
def process(threads: int) -> Iterator[Callable]:
    """A process of its own, so that nothing ours does to the memory allocator or to threads touches the usual way.

    Gives call(function, *arguments); the functions below that take a run are meant for it.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (threads,)) as executor:
        yield lambda function, *arguments: executor.submit(function, *arguments).result()


class Alone:
    """One run by itself, in a process that `call` reaches, with the number of loading workers that is fastest here."""

    def __init__(self, call: Callable, run: Run, steps: int, workers: Iterable[int], images: int | None = None):
        """The first `images` images of the benches (None: so many that no batch of a round comes twice)."""
        self.call, self.run = call, run
        self.timed = run, images or steps * run.batch_size, steps
        by_workers = {number: call(step_seconds, *self.timed, number) for number in workers}
        self.workers = min(by_workers, key=by_workers.get)
        self.speeds = f"images/s by loading workers: {self._images_per_second(by_workers)}; taken: {self.workers}"

    def seconds_per_step(self) -> float:
        return self.call(step_seconds, *self.timed, self.workers)

    def parts(self) -> str:
        """What a step with a teacher is made of, each alone, in words."""
        parts = {
            "loading": self.call(loading_seconds, *self.timed, self.workers),
            "teacher": self.call(teacher_seconds, *self.timed),
            "student": self.call(student_seconds, *self.timed),
        }
        return f"Its parts alone, images/s: {self._images_per_second(parts)}"

    def _images_per_second(self, seconds_per_batch: dict) -> str:
        return ", ".join(f"{name}: {self.run.batch_size / s:.0f}" for name, s in seconds_per_batch.items())


def step_seconds(run: Run, images: int, steps: int, workers: int | None) -> float:
    """A step of the plain loop with so many loading workers; None: one batch again and again, loaded before."""
    plain = _plain(run, images)
    batches = repeat(plain.batch()) if workers is None else plain.loader(workers)
    return _timed(lambda: plain.train_on(next(batches)), steps)


def loading_seconds(run: Run, images: int, steps: int, workers: int) -> float:
    """A batch, nobody computing beside."""
    batches = _plain(run, images).loader(workers)
    return _timed(lambda: next(batches), steps)


def teacher_seconds(run: Run, images: int, steps: int) -> float:
    plain = _plain(run, images)
    pixels, *_ = plain.batch()
    return _timed(lambda: plain.teach(pixels), steps)


def student_seconds(run: Run, images: int, steps: int) -> float:
    """A step whose batch and teachers' outputs are there already."""
    plain = _plain(run, images)
    batch = plain.batch()
    teachers = plain.teach(batch[0])
    return _timed(lambda: plain.step(*batch, teachers), steps)


def crop_flip_seconds(run: Run, images: int) -> float:
    """Crop and flip alone, a batch of PIL images."""
    images = _plain(run, images).images
    pictures = [Image.fromarray(pixels) for pixels in Pictures(images).pixels[: run.batch_size]]
    transform = crop_flip(images.image_size)
    return seconds(lambda: [transform(picture) for picture in pictures], 20)


class Plain:
    """One run in the plain loop: images, networks, loss terms and what they remember, optimiser."""

    def __init__(self, run: Run, images: int):
        sample(images)
        self.run, self.images = run, Images(run)
        self.student = network(run).train()
        self.teachers = [network(teacher).eval() for teacher in run.teachers]
        self.summands = [Summand(term, run, self.images) for term in run.objective]
        self.features = any(summand.features for summand in self.summands)
        for summand in self.summands:
            summand.function = TERMS.get(summand.term.name, summand.function)
        states = [summand.state for summand in self.summands if summand.state is not None]
        learning = nn.ModuleList([self.student, *states]).parameters()
        self.optimiser = torch.optim.SGD(learning, lr=0.01, momentum=0.9, weight_decay=5e-4)
        self.steps = count()

    def loader(self, workers: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Batches without end, in random order: pixels, labels, places of the images."""
        pictures = Pictures(self.images)
        sampler = RandomSampler(pictures, replacement=True, num_samples=ENDLESS)
        # The system's own way to start workers, which a spawned process would not use by itself.
        start = get_all_start_methods()[0] if workers else None
        with warnings.catch_warnings():  # of more workers than cores: whether that helps is what is measured
            warnings.filterwarnings("ignore", "This DataLoader will create")
            batch = self.run.batch_size
            loader = DataLoader(pictures, batch, sampler=sampler, num_workers=workers, multiprocessing_context=start)
            return iter(loader)

    def batch(self) -> tuple[Tensor, Tensor, Tensor]:
        return next(self.loader(0))

    def teach(self, pixels: Tensor) -> list[Output]:
        with torch.no_grad():
            return [forward(teacher, pixels, self.features) for teacher in self.teachers]

    def train_on(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        self.step(*batch, self.teach(batch[0]))

    def step(self, pixels: Tensor, labels: Tensor, index: Tensor, teachers: list[Output]) -> None:
        batch = Batch(index, pixels, [(labels, None)], self.images.class_counts, (0, next(self.steps)))
        self.optimiser.zero_grad()
        output = forward(self.student, pixels, self.features)
        sum(s.term.weight * s.value(batch, output, teachers) for s in self.summands).backward()
        self.optimiser.step()


_plain = cache(Plain)


class Pictures(Dataset):
    """As torchvision.datasets.CIFAR10: an array of H x W x C images, each made a PIL image when it is asked for."""

    def __init__(self, images: Images):
        self.pixels = images.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = images.labels.tolist()
        mean, std = images.mean.flatten().tolist(), images.std.flatten().tolist()
        crop = crop_flip(images.image_size)
        self.transform = transforms.Compose([crop, transforms.ToTensor(), transforms.Normalize(mean, std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index], index


def crop_flip(side: int) -> transforms.Compose:
    return transforms.Compose([transforms.RandomCrop(side, padding=side // 8), transforms.RandomHorizontalFlip()])


def gathered(crd: CRD, student: Tensor, teacher: Tensor, index: Tensor, negatives: Tensor) -> Tensor:
    """What `crd(...)` computes, with embeddings (B, k + 1, D) of each side."""
    rows = torch.cat([index[:, None], negatives], 1)
    student = F.normalize(crd.student_embedding(student))
    teacher = F.normalize(crd.teacher_embedding(teacher))
    sides = ((student, crd.teacher_bank), (teacher, crd.student_bank))
    loss = sum(_one_side(crd, side, *tensors, rows) for side, tensors in enumerate(sides))
    with torch.no_grad():
        for bank, batch in ((crd.student_bank, student), (crd.teacher_bank, teacher)):
            bank[index] = F.normalize(crd.momentum * bank[index] + (1 - crd.momentum) * batch)
    return loss


def _one_side(crd: CRD, side: int, anchors: Tensor, bank: Tensor, rows: Tensor) -> Tensor:
    picked = bank.index_select(0, rows.flatten()).view(*rows.shape, -1)
    scores = torch.exp(torch.bmm(picked, anchors.unsqueeze(2)).squeeze(2) / crd.temperature)
    if crd.normalisers[side] == 0:
        crd.normalisers[side] = scores.detach().mean() * len(bank)
    p = scores / crd.normalisers[side].item()
    noise = (rows.shape[1] - 1) / len(bank)
    positive = torch.log(p[:, 0] / (p[:, 0] + noise + EPSILON))
    negative = torch.log(noise / (p[:, 1:] + noise + EPSILON))
    return -(positive.sum() + negative.sum()) / len(rows)


def _crd(batch: Batch, student: Output, teacher: Output, state: CRD, **_) -> Tensor:
    """Negatives come from our sampler, which favours the usual way: it draws them image by image."""
    negatives = other_classes(state.labels, batch.index, state.count, batch.key)
    return gathered(state, student.pooled, teacher.pooled, batch.index, negatives)


TERMS = {"crd": _crd}  # that the usual way computes otherwise


def _timed(step: Callable, steps: int) -> float:
    """Seconds of one, after the warm-up."""
    for _ in range(WARM_UP):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps
