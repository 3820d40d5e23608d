"""Where training stands, a line at a time: what JupyterLab, papermill's log and a terminal all show."""

import time

from kdlib.training.learner import Learner

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


class Group:
    """The progress of one group: its epoch, its best held-out accuracy, the time left at the pace so far."""

    def __init__(self, progress: Progress, title: str, students: list[Learner]):
        self.progress, self.title, self.students = progress, title, students
        self.started, self.before = time.monotonic(), self._epochs_done()

    def say(self, epoch: int) -> None:
        done, total = self._epochs_done(), sum(s.run.epochs for s in self.students if not s.failure)
        pace = (time.monotonic() - self.started) / max(1, done - self.before)
        left = f"{duration(pace * (total - done))} left" if done < total else "done"
        best = [s.best["accuracy"] for s in self.students if s.best]
        accuracy = f", best held-out accuracy {max(best):.1%}" if best else ""
        line = f"{self.title}: epoch {epoch}/{max(s.run.epochs for s in self.students)}{accuracy}, {left}"
        self.progress.say(line, last=done >= total)

    def _epochs_done(self) -> int:
        return sum(s.epoch for s in self.students if not s.failure)


def duration(seconds: float) -> str:
    """For a person: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
