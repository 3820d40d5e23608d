"""The usual way: what most public code does. The networks are ours, so that the way alone is compared.

One run a process, contiguous tensors, PIL transforms in a DataLoader, the teacher forward in every run, plain SGD,
torch's own threads on all cores.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import islice, repeat
from multiprocessing import get_all_start_methods, get_context

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from kdlib.bench.measure import seconds, seconds_an_item
from kdlib.bench.sample import sample
from kdlib.data.batches import Images
from kdlib.forward import network
from kdlib.run import Run

WARM_UP = 2  # steps that do not count
ENDLESS = 10**7  # images: the workers read on while the last steps are timed


@contextmanager
def process(threads: int) -> Iterator[Callable]:
    """A process of its own, so that nothing ours does to the memory allocator or to threads touches the usual way.

    Gives call(function, *arguments); the functions below that take a run are meant for it.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (threads,)) as executor:
        yield lambda function, *arguments: executor.submit(function, *arguments).result()


class Alone:
    """One run by itself, in a process that `call` reaches, with the number of loading workers that is fastest here."""

    def __init__(self, call: Callable, run: Run, loss: Callable, steps: int, workers: Iterable[int]):
        self.call, self.run, self.loss, self.steps = call, run, loss, steps
        by_workers = {count: call(step_seconds, run, loss, steps, count) for count in workers}
        self.workers = min(by_workers, key=by_workers.get)
        self.speeds = f"images/s by loading workers: {self._images_a_second(by_workers)}; taken: {self.workers}"

    def seconds_a_step(self) -> float:
        return self.call(step_seconds, self.run, self.loss, self.steps, self.workers)

    def parts(self) -> str:
        """What a step with a teacher is made of, each alone, in words."""
        parts = {
            "loading": self.call(loading_seconds, self.run, self.steps, self.workers),
            "teacher": self.call(teacher_seconds, self.run, self.steps),
            "student": self.call(student_seconds, self.run, self.loss, self.steps),
        }
        return f"Its parts alone, images/s: {self._images_a_second(parts)}"

    def _images_a_second(self, seconds_a_batch: dict) -> str:
        return ", ".join(f"{name}: {self.run.batch_size / s:.0f}" for name, s in seconds_a_batch.items())


def step_seconds(run: Run, loss: Callable, steps: int, workers: int | None) -> float:
    """A step of the plain loop with so many loading workers; None: one batch again and again, loaded before."""
    images, student, teacher = _setting(run, steps)
    batches = repeat(_batch(images, run)) if workers is None else _loader(images, run.batch_size, workers)
    return _distil(student, teacher, loss, batches, steps)


def loading_seconds(run: Run, steps: int, workers: int) -> float:
    """A batch, after the warm-up, nobody computing beside."""
    batches = _loader(_setting(run, steps)[0], run.batch_size, workers)
    seconds_an_item(batches, WARM_UP)
    return seconds_an_item(batches, steps)


def teacher_seconds(run: Run, steps: int) -> float:
    images, _, teacher = _setting(run, steps)
    pixels, _ = _batch(images, run)
    with torch.no_grad():
        return seconds(lambda: teacher(pixels), steps)


def student_seconds(run: Run, loss: Callable, steps: int) -> float:
    """A step whose batch and lesson are there already."""
    images, student, teacher = _setting(run, steps)
    batch = _batch(images, run)
    with torch.no_grad():
        lesson = teacher(batch[0])
    return _distil(student, lambda _: lesson, loss, repeat(batch), steps)


def crop_flip_seconds(run: Run, steps: int) -> float:
    """Crop and flip alone, a batch of PIL images."""
    images = _setting(run, steps)[0]
    pictures = [Image.fromarray(pixels) for pixels in Pictures(images).pixels[: run.batch_size]]
    transform = crop_flip(images.image_size)
    return seconds(lambda: [transform(picture) for picture in pictures], 20)


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

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def crop_flip(side: int) -> transforms.Compose:
    return transforms.Compose([transforms.RandomCrop(side, padding=side // 8), transforms.RandomHorizontalFlip()])


@cache
def _setting(run: Run, steps: int) -> tuple[Images, nn.Module, nn.Module | None]:
    """The images, the student and its first teacher."""
    sample(steps * run.batch_size)
    images = Images(run)
    teachers = [network(teacher, images).eval() for teacher in run.teachers]
    return images, network(run, images), teachers[0] if teachers else None


def _loader(images: Images, batch: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end, in random order."""
    pictures = Pictures(images)
    sampler = RandomSampler(pictures, replacement=True, num_samples=ENDLESS)
    # The system's own way to start workers, which a spawned process would not use by itself.
    start = get_all_start_methods()[0] if workers else None
    with warnings.catch_warnings():  # of more workers than cores: whether that helps is what is measured
        warnings.filterwarnings("ignore", "This DataLoader will create")
        loader = DataLoader(pictures, batch, sampler=sampler, num_workers=workers, multiprocessing_context=start)
        return iter(loader)


def _batch(images: Images, run: Run) -> tuple[Tensor, Tensor]:
    return next(_loader(images, run.batch_size, 0))


def _distil(student: nn.Module, teacher: Callable | None, loss: Callable, batches: Iterable, steps: int) -> float:
    """Seconds a step of the plain loop, after the warm-up; loss(student's logits, teacher's logits or None, labels)."""
    optimiser = torch.optim.SGD(student.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    student.train()
    for done, (images, labels) in enumerate(islice(batches, WARM_UP + steps)):
        if done == WARM_UP:
            start = time.perf_counter()
        with torch.no_grad():
            lesson = teacher(images) if teacher else None
        optimiser.zero_grad()
        loss(student(images), lesson, labels).backward()
        optimiser.step()
    return (time.perf_counter() - start) / steps
