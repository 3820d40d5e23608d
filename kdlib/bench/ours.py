"""Our way: a group of runs in the training loop itself, without store and records."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch

from kdlib.bench.measure import intra_op, seconds, seconds_an_item
from kdlib.run import Run
from kdlib.training.batches import Batch, Images
from kdlib.training.learner import Learner
from kdlib.training.loop import Pool, teacher_outputs, train_epochs
from kdlib.training.network import Output, ready_to_teach

ENDLESS = 10**6  # epochs of a run: the last one, which takes gradient norms, is never reached


class FirstBatches(Images):
    """Images of which an epoch takes no more than the first batches, while a term that remembers remembers all."""

    def __init__(self, run: Run, most: int):
        super().__init__(run)
        self.most = most

    def steps(self) -> int:
        return min(self.most, super().steps())


@dataclass
class Group:
    """One group and its teachers, set up as kdlib.training does: alone on all cores, or in a pool with one each."""

    runs: list[Run]
    steps: int = ENDLESS  # the most an epoch takes
    epochs: Iterator[int] = field(init=False)

    def __post_init__(self):
        cores, alone = torch.get_num_threads(), len(self.runs) == 1
        self.threads = cores if alone else 1
        self.pool = Pool(cores)
        self.images = FirstBatches(self.runs[0], self.steps)
        self.learners = [Learner(run, self.images) for run in self.runs]
        taught_by = {t.key: t for r in self.runs for t in r.teachers}
        self.teachers = {key: ready_to_teach(run, self.images) for key, run in taught_by.items()}
        self.epochs = train_epochs(self.learners, self.teachers, self.images, self.pool)
        self.seconds_per_step()  # the first epoch also takes gradient norms: it does not count

    def seconds_per_step(self) -> float:
        """Of the whole group, from the next epoch of the training loop."""
        with intra_op(self.threads):
            start = time.perf_counter()
            next(self.epochs)
            taken = time.perf_counter() - start
        if failed := [s.failure for s in self.learners if s.failure]:
            raise RuntimeError(f"{len(failed)} runs failed, so fewer were timed: {failed[0]}")
        return taken / self.images.steps()

    def teaching_seconds(self) -> float:
        """Of one batch, all teachers."""
        batch = next(self.images.batches(0))
        with intra_op(self.threads):
            return seconds(lambda: self._teach(batch))

    def parts(self, repeats: int = 5) -> dict[str, float]:
        """Seconds per step of what it is made of, each alone."""
        batch = next(self.images.batches(0))
        with intra_op(self.threads):
            outputs = self._teach(batch)
            return {
                "batches": seconds_an_item(self.images.batches(0), self.images.steps()),
                "teacher": self.teaching_seconds(),
                "students": seconds(lambda: self._study(batch, outputs), repeats),
            }

    def _teach(self, batch: Batch) -> dict[str, Output]:
        return teacher_outputs(self.learners, self.teachers, batch, self.pool)

    def _study(self, batch: Batch, outputs: dict[str, Output]) -> None:
        batch = replace(batch, _drawn={})  # what the learners draw is drawn anew, as in each step
        self.pool.map(lambda s: s.step(batch, [outputs[key] for key in s.teacher_keys]), self.learners)


def shares(parts: dict[str, float]) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {part / total:.0%}" for name, part in parts.items())
