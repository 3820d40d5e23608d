"""What training will cost, measured on a few steps that are thrown away."""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from kdlib.run import Run
from kdlib.training.batches import Batch, Images
from kdlib.training.failures import RunError
from kdlib.training.learner import Learner
from kdlib.training.loop import Pool, teacher_outputs
from kdlib.training.network import Output, ready_to_teach

LONG_STEP = 0.3  # seconds for a quarter of a batch: then a whole one is not tried
MEMORY_SHARE = 0.5  # of what is free, for a group's weights, gradients, momentum and best weights


@dataclass(frozen=True)
class Cost:
    """Seconds and bytes of one cohort on this machine, now."""

    steps: int  # per epoch
    teaching: float  # seconds per step, all teachers
    studying: float  # seconds per step and run, on the run's own threads
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

    def corrected(self, epochs: list[tuple[int, float]]) -> "Cost":
        """At the pace of epochs that were trained: for each, how many runs it had and the seconds it took."""
        expected, taken = sum(self.epoch(runs) for runs, _ in epochs), sum(seconds for _, seconds in epochs)
        if not expected:
            return self
        ratio = taken / expected
        return replace(self, teaching=ratio * self.teaching, studying=ratio * self.studying)


NOTHING = Cost(steps=1, teaching=0.0, studying=1e-6, workers=1, bytes_per_run=1)  # of runs that cannot be set up


def measure(runs: list[Run], alone: bool, threads: int, device: torch.device) -> Cost:
    """Times one step of each distinct network and objective among the runs, and their teachers' forward. Runs that
    fail here will fail in training: they cost nothing."""
    pool = Pool(threads if device.type == "cpu" else 1)
    try:
        return _measure(runs, 1 if alone else pool.threads, threads if alone else 1, device, pool)
    except RunError:  # images that cannot be had, or batches that cannot be made of them
        return NOTHING
    finally:
        pool.close()


def _measure(runs: list[Run], workers: int, threads_per_run: int, device: torch.device, pool: Pool) -> Cost:
    torch.set_num_threads(threads_per_run)
    images = Images(runs[0], device)
    batch = next(images.batches(0))
    teachers = {t.key: t for run in runs for t in run.teachers}
    teachers = {key: ready_to_teach(run, images) for key, run in teachers.items()}
    samples = _samples(runs, teachers, images, device)
    learners = [learner for learner, _ in samples]
    outputs = teacher_outputs(learners, teachers, batch, pool)
    teaching = _least_seconds(lambda: teacher_outputs(learners, teachers, batch, pool), device) if outputs else 0.0
    total = size = members = 0.0
    for learner, number in samples:
        seconds = _step_seconds(learner, batch, [outputs[key] for key in learner.teacher_keys])
        if not learner.failure:
            total, size, members = total + number * seconds, size + number * _bytes(learner), members + number
    return Cost(images.steps(), teaching, total / members, workers, int(size / members)) if members else NOTHING


def _samples(runs: list[Run], teachers: dict, images: Images, device: torch.device) -> list[tuple[Learner, int]]:
    """A learner of each distinct network and objective, and how many runs are like it."""
    alike: dict[tuple, list[Run]] = {}
    for run in runs:
        alike.setdefault((run.network, run.width, tuple((t.name, t.params) for t in run.objective)), []).append(run)
    samples = []
    for members in alike.values():
        with contextlib.suppress(RunError):
            learner = Learner(members[0], images, device)
            learner.meet(teachers, images)
            learner.begin_epoch()
            samples.append((learner, len(members)))
    return [(learner, number) for learner, number in samples if not learner.failure]


def _bytes(learner: Learner) -> int:
    """Weights, gradients, momentum and best weights, and what its terms remember; on a CPU also what is held of it in
    case of an interrupt."""
    held = learner.device.type == "cpu"
    remembered = [b for s in learner.summands if s.state is not None for b in s.state.buffers()]
    parameters = sum(parameter.nbytes for parameter in learner.parameters())
    return (4 + 2 * held) * parameters + (1 + held) * sum(buffer.nbytes for buffer in remembered)


def _step_seconds(learner: Learner, batch: Batch, outputs: list[Output]) -> float:
    """A quarter of the batch first: where that takes long already, four times as long is the estimate."""
    few = slice(len(batch.index) // 4 + 2)
    labels = [(y[few], w if w is None else w[few]) for y, w in batch.labels]
    part = Batch(batch.index[few], batch.images[few], labels, batch.class_counts, batch.key)
    short = [output.part(few) for output in outputs]
    learner.step(part, short)  # the first step also takes gradient norms
    quarter = _least_seconds(lambda: learner.step(part, short), learner.device)
    if quarter > LONG_STEP:
        return quarter * len(batch.index) / len(part.index)
    return _least_seconds(lambda: learner.step(batch, outputs), learner.device)


def _least_seconds(function: Callable, device: torch.device) -> float:
    """The least of three: on a busy machine one may stall for a hundred times as long."""
    return min(_seconds(function, device) for _ in range(3))


def _seconds(function: Callable, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    function()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def free_memory(device: torch.device) -> float:
    """Bytes that a group's state may take; infinite where the system does not say."""
    if device.type == "cuda":
        return MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
    try:
        figures = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        return MEMORY_SHARE * 1024 * int(figures["MemAvailable"].split()[0])  # cached files give way, so they are free
    except (OSError, KeyError, ValueError):
        return math.inf
