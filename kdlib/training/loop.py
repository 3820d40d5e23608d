"""The one training loop: learners that see the same batches, in lock-step, with the teachers that any of them needs.

Nobody's result depends on company: a learner gives the same bits in any group, beside any number of other threads and
after a stop and resume, because it owns its network and optimiser, what is drawn is keyed by the batch, and a teacher
goes forward in chunks of a fixed size. (A large run that is alone gets all cores: the bits are those of that number.)
"""

import ctypes
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from kdlib.run import Run
from kdlib.training.batches import Batch, Images
from kdlib.training.failures import RunError
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

    def close(self) -> None:
        """Waits for what the workers are at; what has not begun is left."""
        self.workers.shutdown(cancel_futures=True)


def train_epochs(learners: list[Learner], teachers: dict, images: Images, pool: Pool) -> Iterator[int]:
    """Trains until every learner is done, yielding the epoch just finished (counted from 1).

    Walks the epochs from the least advanced learner; the others join when theirs is reached. `teachers` maps a key to
    a network in evaluation mode. A batch that cannot be made fails those who should have seen it.
    """
    while waiting := [learner for learner in learners if not learner.done]:
        epoch = min(learner.epoch for learner in waiting)
        active = [learner for learner in waiting if learner.epoch == epoch]
        for learner in active:
            learner.begin_epoch()
        try:
            for batch in images.batches(epoch):
                step(active, teachers, batch, pool)
        except RunError as failure:
            for learner in active:
                learner.failure = learner.failure or str(failure)
        pool.map(lambda learner: learner.end_epoch(images), active)
        yield epoch + 1


def step(learners: list[Learner], teachers: dict, batch: Batch, pool: Pool) -> None:
    """One step of all learners on the batch, which each teacher sees once."""
    learners = [learner for learner in learners if not learner.failure]
    outputs = teacher_outputs(learners, teachers, batch, pool)
    pool.map(lambda learner: learner.step(batch, [outputs[key] for key in learner.teacher_keys]), learners)


def teacher_outputs(learners: list[Learner], teachers: dict, batch: Batch, pool: Pool) -> dict[str, Output]:
    """By key, of every teacher that one of the learners has; with features where one that it teaches needs them."""
    features: dict[str, bool] = {}
    for learner in learners:
        for key in learner.teacher_keys:
            features[key] = features.get(key, False) or learner.features
    return {key: teach(teachers[key], batch.images, features[key], learners[0].run, pool) for key in features}


def teach(model: torch.nn.Module, images: torch.Tensor, features: bool, run: Run, pool: Pool) -> Output:
    """A teacher's output, no gradient; on a CPU in chunks of one size, whoever else is there to compute them."""
    chunks = images.split(CHUNK) if images.device.type == "cpu" else [images]

    def one(chunk):
        with torch.no_grad(), autocast(run, images.device):
            return forward(model, chunk.contiguous(memory_format=torch.channels_last), features)

    parts = pool.map(one, list(chunks))
    logits = torch.cat([p.logits for p in parts])
    if not features:
        return Output(logits)
    maps = [torch.cat(stage) for stage in zip(*(p.maps for p in parts), strict=True)]
    return Output(logits, maps, torch.cat([p.pooled for p in parts]))
