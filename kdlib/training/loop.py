"""The one training loop: students that see the same batches, in lock-step, with the teachers that any of them needs.

Nobody's result depends on company: a student gives the same bits in any group, beside any number of other threads and
after a stop and resume, because it owns its network and optimiser, what is drawn is keyed by the batch, and a teacher
goes forward in chunks of a fixed size. (A large run that is alone gets all cores: the bits are those of that number.)
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from kdlib.run import Run
from kdlib.training.batches import Images
from kdlib.training.learner import Learner
from kdlib.training.network import Output, autocast, forward

CHUNK = 32  # images of a teacher's forward on a CPU: the bits depend on it


def keep_freed_memory() -> None:
    """Asks glibc not to hand memory back after every step: a pool's threads spent a third of a small step's time on
    getting it again, page by page."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD: 32 MiB, the most it takes
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: never


class Pool:
    """`threads` workers of one intra-op thread each; a single item is done in the caller's own thread."""

    def __init__(self, threads: int):
        keep_freed_memory()
        self.workers = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        self.threads = threads

    def map(self, function: Callable, items: list) -> list:
        if self.threads == 1 or len(items) == 1:
            return [function(item) for item in items]
        return list(self.workers.map(function, items))


def train_epochs(students: list[Learner], teachers: dict, images: Images, pool: Pool) -> Iterator[int]:
    """Trains until every student is done, yielding the epoch just finished (counted from 1).

    Walks the epochs from the least advanced student; the others join when theirs is reached. `teachers` maps a key to
    a network in evaluation mode.
    """
    while waiting := [s for s in students if not s.done]:
        epoch = min(s.epoch for s in waiting)
        active = [s for s in waiting if s.epoch == epoch]
        taught_by = {t.key for s in active for t in s.run.teachers}
        features = any(s.features for s in active)
        for student in active:
            student.begin_epoch()
        for batch in images.batches(epoch):
            lessons = {k: teach(teachers[k], batch.images, features, active[0].run, pool) for k in taught_by}
            pool.map(lambda s: s.step(batch, [lessons[t.key] for t in s.run.teachers]), active)  # noqa: B023
        pool.map(lambda s: s.end_epoch(images), active)
        yield epoch + 1


def teach(model: torch.nn.Module, images: torch.Tensor, features: bool, run: Run, pool: Pool) -> Output:
    """A teacher's output, no gradient; on a CPU in chunks of one size, whoever else is there to compute them."""
    chunks = images.split(CHUNK) if images.device.type == "cpu" else [images]

    def one(chunk):
        with torch.no_grad(), autocast(run, images.device):
            return forward(model, chunk.contiguous(memory_format=torch.channels_last), features)

    parts = pool.map(one, list(chunks))
    if not features:
        return Output(torch.cat([p.logits for p in parts]))
    maps = [torch.cat(stage) for stage in zip(*(p.maps for p in parts), strict=True)]
    return Output(torch.cat([p.logits for p in parts]), maps, torch.cat([p.pooled for p in parts]))
