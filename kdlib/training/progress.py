"""Where training stands, a line at a time: what JupyterLab, papermill's log and a terminal all show."""

import time

from kdlib.training.learner import Learner
from kdlib.words import count

SECONDS_BETWEEN_LINES = 2.0


class Progress:
    """Prints at most a line every two seconds, and none twice in a row; `last=True` prints whatever the time."""

    def __init__(self):
        self._printed, self._line = -SECONDS_BETWEEN_LINES, ""

    def say(self, line: str, last: bool = False) -> None:
        now = time.monotonic()
        if last or (now - self._printed >= SECONDS_BETWEEN_LINES and line != self._line):
            print(line, flush=True)
            self._printed, self._line = now, line


class Pace:
    """The progress of one group: its epoch, its best held-out accuracy, the time left at the pace so far."""

    def __init__(self, progress: Progress, learners: list[Learner]):
        kinds = ", ".join(sorted({learner.run.network for learner in learners}))
        self.title = f"{count(len(learners), 'run')} of {kinds} on {learners[0].run.data}"
        self.progress, self.learners = progress, learners
        self.epoch, self.epochs = 0, max(learner.run.epochs for learner in learners)
        self.started, self.before = time.monotonic(), self._epochs_done()

    def reach(self, epoch: int) -> None:
        self.epoch = epoch
        if not self._alive():
            return
        done, total = self._epochs_done(), sum(learner.run.epochs for learner in self._alive())
        seconds_each = (time.monotonic() - self.started) / max(1, done - self.before)
        left = f"{duration(seconds_each * (total - done))} left" if done < total else "done"
        best = [learner.best["accuracy"] for learner in self.learners if learner.best]
        accuracy = f", best held-out accuracy {max(best):.1%}" if best else ""
        self.progress.say(f"{self.title}: epoch {epoch}/{self.epochs}{accuracy}, {left}", last=done >= total)

    def _alive(self) -> list[Learner]:
        return [learner for learner in self.learners if not learner.failure]

    def _epochs_done(self) -> int:
        return sum(learner.epoch for learner in self._alive())


def duration(seconds: float) -> str:
    """For a person: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
