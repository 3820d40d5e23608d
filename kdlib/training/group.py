"""A group: the part of a cohort that is trained at one time."""

import time
from collections import Counter
from collections.abc import Callable

import torch

from kdlib.run import Run
from kdlib.store import Store
from kdlib.training import records
from kdlib.training.batches import Images
from kdlib.training.checkpoints import Checkpoints
from kdlib.training.failures import RunError
from kdlib.training.learner import Learner, Reached
from kdlib.training.loop import Pool, train_epochs
from kdlib.training.network import ready_to_teach
from kdlib.training.progress import Pace, Progress
from kdlib.training.weights import digest, load_checkpoint, save_weights
from kdlib.words import count


class Group:
    """Runs that are trained together, and what becomes of them: finished runs get their records at once."""

    def __init__(self, runs: list[Run], weights: dict[str, dict], store: Store, progress: Progress, setting: dict):
        """`weights` are the teachers' by their keys; `setting` is for the records (device, threads)."""
        self.runs, self.weights, self.store, self.progress, self.setting = runs, weights, store, progress, setting
        self.taught_by = {key: digest(values) for key, values in weights.items()}
        self.checkpoints = Checkpoints(store)
        self.images: Images | None = None
        self.pace: Pace | None = None
        self.epochs: list[tuple[int, float]] = []  # for each that was walked: how many runs, and seconds

    def train(self, device: torch.device, pool: Pool, out_of_time: Callable[[], bool]) -> None:
        """To the end or until time is up. An interrupt saves what was reached at the last epochs' ends."""
        try:
            self._train(device, pool, out_of_time)
        except KeyboardInterrupt:
            pool.close()
            self.checkpoints.write()
            raise
        finally:
            pool.close()

    def _train(self, device: torch.device, pool: Pool, out_of_time: Callable[[], bool]) -> None:
        learners = self._learners(device)
        if not learners:
            return
        teachers = self._teachers()
        for learner in learners:
            learner.meet(teachers, self.images)
        for note in dict.fromkeys(note for learner in learners for note in learner.notes()):
            self.progress.say(note, last=True)
        self.pace = Pace(self.progress, learners)
        training, begun, before = self._finish(learners, pool), time.monotonic(), _epochs_done(learners)
        for epoch in train_epochs(training, teachers, self.images, pool):
            self.checkpoints.hold(training)
            training, stop = self._finish(training, pool), out_of_time()
            self.pace.reach(epoch)
            if stop or self.checkpoints.due():
                self.checkpoints.write()
            self.epochs.append((_epochs_done(learners) - before, time.monotonic() - begun))
            begun, before = time.monotonic(), _epochs_done(learners)
            if stop:
                return

    def _learners(self, device: torch.device) -> list[Learner]:
        """Of the runs whose parts can be set up; the others fail."""
        try:
            self.images = Images(self.runs[0], device)
        except RunError as failure:
            self._tell([self._keep(Reached(run, str(failure))) for run in self.runs])
            return []
        made = [self._learner(run, device) for run in self.runs]
        self._tell([self._keep(one) for one in made if isinstance(one, Reached)])
        return [one for one in made if isinstance(one, Learner)]

    def _learner(self, run: Run, device: torch.device) -> Learner | Reached:
        try:
            learner = Learner(run, self.images, device)
        except RunError as failure:
            return Reached(run, str(failure))
        if checkpoint := load_checkpoint(self.store, run.key):
            learner.restore(checkpoint)
        return learner

    def _teachers(self) -> dict[str, torch.nn.Module]:
        taught_by = {teacher.key: teacher for run in self.runs for teacher in run.teachers}
        return {key: ready_to_teach(run, self.images, self.weights[key]) for key, run in taught_by.items()}

    def _finish(self, learners: list[Learner], pool: Pool) -> list[Learner]:
        """Keeps what those that are done have reached, and returns the others."""
        done = [learner for learner in learners if learner.done]
        self._tell(pool.map(lambda learner: self._keep(learner.reached(self.images)), done))
        return [learner for learner in learners if not learner.done]

    def _keep(self, reached: Reached) -> Reached:
        """Stores it, its record last."""
        key = reached.run.key
        record = records.compose(reached, self.images, self.taught_by, self.setting)
        if not reached.failure:
            save_weights(self.store, key, reached.weights)
            self.store.save_logits(key, reached.logits)
        self.store.save_record(record)
        self.checkpoints.drop(key)
        return reached

    def _tell(self, ended: list[Reached]) -> None:
        """Why runs failed, each reason once."""
        for reason, number in Counter(reached.failure for reached in ended if reached.failure).items():
            self.progress.say(f"{count(number, 'run')} failed: {reason}.", last=True)


def _epochs_done(learners: list[Learner]) -> int:
    return sum(learner.epoch for learner in learners)
