"""What training will cost, measured on a few steps that are thrown away."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from kdlib.run import Run
from kdlib.training.batches import Batch, Images
from kdlib.training.learner import Learner
from kdlib.training.loop import Pool, teach
from kdlib.training.network import Output, ready_to_teach

LONG_STEP = 0.3  # seconds for a quarter of a batch: then a whole one is not tried
MEMORY_SHARE = 0.5  # of what is free, for a group's weights, gradients, momentum and best weights


@dataclass
class Cost:
    """Seconds and bytes of one cohort on this machine, now."""

    steps: int  # an epoch
    teaching: float  # seconds a step, all teachers
    studying: float  # seconds a step and run, on the run's own threads
    workers: int
    bytes_per_run: int

    def epoch(self, runs: int) -> float:
        """Seconds for one epoch of so many runs."""
        return self.steps * (self.teaching + self.studying * math.ceil(runs / self.workers))

    def total(self, epochs: list[int]) -> float:
        """Seconds for runs that have so many epochs to go."""
        return sum(self.epoch(sum(left > done for left in epochs)) for done in range(max(epochs)))

    def runs_within(self, seconds: float) -> int:
        """How many runs make an epoch in that time."""
        return int((seconds / self.steps - self.teaching) / self.studying) * self.workers


def measure(runs: list[Run], alone: bool, threads: int, device: torch.device) -> Cost:
    """Times one step of each distinct network and objective among the runs, and their teachers' forward."""
    pool = Pool(threads if device.type == "cpu" else 1)
    workers = 1 if alone else pool.threads
    torch.set_num_threads(threads if alone else 1)
    images = Images(runs[0], device)
    batch = next(images.batches(0))
    teachers = {t.key: t for run in runs for t in run.teachers}
    teachers = {key: ready_to_teach(run, images) for key, run in teachers.items()}
    features = any(Learner.needs_features(run) for run in runs)

    def teaching(batch: Batch) -> dict:
        return {k: teach(model, batch.images, features, runs[0], pool) for k, model in teachers.items()}

    lessons = teaching(batch)
    seconds_to_teach = _seconds(lambda: teaching(batch), device) if teachers else 0.0

    kinds: dict[tuple, list[Run]] = {}
    for run in runs:
        kinds.setdefault((run.network, run.width, tuple((t.name, t.params) for t in run.objective)), []).append(run)
    total = size = 0.0
    for members in kinds.values():
        student = Learner(members[0], images, device)
        student.begin_epoch()
        total += len(members) * _step_seconds(student, batch, [lessons[t.key] for t in members[0].teachers])
        size += len(members) * _bytes(student)
    return Cost(images.steps(), seconds_to_teach, total / len(runs), workers, int(size / len(runs)))


def _bytes(student: Learner) -> int:
    """Weights, gradients, momentum and best weights, and what its terms remember."""
    remembered = [b for state in student.states if state is not None for b in state.buffers()]
    return sum(t.nbytes * (4 if t.requires_grad else 1) for t in [*student.parameters(), *remembered])


def _step_seconds(student: Learner, batch: Batch, lessons: list[Output]) -> float:
    """A quarter of the batch first: where that takes long already, four times as long is the estimate."""
    few = len(batch.index) // 4 + 2
    labels = [(y[:few], w if w is None else w[:few]) for y, w in batch.labels]
    part = Batch(batch.index[:few], batch.images[:few], labels, batch.class_counts, batch.key)
    short = [Output(o.logits[:few], *([m[:few] for m in o.maps], o.pooled[:few]) if o.maps else ()) for o in lessons]
    student.step(part, short)  # the first step also takes gradient norms
    quarter = _seconds(lambda: student.step(part, short), student.device)
    if quarter > LONG_STEP:
        return quarter * len(batch.index) / few
    return min(_seconds(lambda: student.step(batch, lessons), student.device) for _ in range(2))


def _seconds(function: Callable, device: torch.device) -> float:
    start = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def free_memory(device: torch.device) -> float:
    """Bytes that a group's state may take; infinite where the system does not say."""
    if device.type == "cuda":
        return MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
    try:
        figures = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        return MEMORY_SHARE * 1024 * int(figures["MemAvailable"].split()[0])  # cached files give way, so they are free
    except (OSError, KeyError, ValueError):
        return math.inf
