"""Our way: a group of runs in the training loop itself, without store and records."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from kdlib.bench.measure import intra_op, seconds, seconds_an_item
from kdlib.data.batches import Images
from kdlib.forward import Output, ready_to_teach
from kdlib.loop import Pool, teach, train_epochs
from kdlib.run import Run
from kdlib.student import Student

ENDLESS = 10**6  # epochs of a run: the last one, which takes gradient norms, is never reached


@dataclass
class Group:
    """One group and its teachers, set up as kdlib.cohorts does: alone on all cores, or in a pool with one each."""

    runs: list[Run]
    epochs: Iterator[int] = field(init=False)

    def __post_init__(self):
        cores, alone = torch.get_num_threads(), len(self.runs) == 1
        self.threads = cores if alone else 1
        self.pool = Pool(cores)
        self.images = Images(self.runs[0])
        self.students = [Student(run, self.images) for run in self.runs]
        taught_by = {t.key: t for r in self.runs for t in r.teachers}
        self.teachers = {key: ready_to_teach(run, self.images) for key, run in taught_by.items()}
        self.epochs = train_epochs(self.students, self.teachers, self.images, self.pool)
        self.seconds_a_step()  # the first epoch also takes gradient norms: it does not count

    def seconds_a_step(self) -> float:
        """Of the whole group, from the next epoch of the training loop."""
        with intra_op(self.threads):
            start = time.perf_counter()
            next(self.epochs)
            taken = time.perf_counter() - start
        if failed := [s.failure for s in self.students if s.failure]:
            raise RuntimeError(f"{len(failed)} students failed, so fewer were timed: {failed[0]}")
        return taken / self.images.steps()

    def parts(self) -> dict[str, float]:
        """Seconds a step of what it is made of, each alone."""
        batch = next(self.images.batches(0))
        run = self.runs[0]
        with intra_op(self.threads):
            lessons = self._teach(batch.images)
            return {
                "batches": seconds_an_item(self.images.batches(0), self.images.steps()),
                "teacher": seconds(lambda: self._teach(batch.images)),
                "students": seconds(
                    lambda: self.pool.map(
                        lambda s: s.step(batch, [lessons[t.key] for t in run.teachers]), self.students
                    )
                ),
            }

    def _teach(self, images: torch.Tensor) -> dict[str, Output]:
        return {key: teach(model, images, False, self.runs[0], self.pool) for key, model in self.teachers.items()}


def shares(parts: dict[str, float]) -> str:
    total = sum(parts.values())
    return ", ".join(f"{name} {part / total:.0%}" for name, part in parts.items())
