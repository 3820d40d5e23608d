"""`train`: groups, the estimate before work, the budget.

A group is the part of a cohort that is trained at one time: as many runs as finish within the budget and fit in memory.
"""

import time

import pandas as pd
import torch

from kdlib import cells
from kdlib.registry import KdlibError
from kdlib.run import Run
from kdlib.store import Store, tables
from kdlib.store.locks import claim
from kdlib.training import records
from kdlib.training.batches import Images
from kdlib.training.estimate import Cost, free_memory, measure
from kdlib.training.learner import Learner
from kdlib.training.loop import Pool, train_epochs
from kdlib.training.network import ready_to_teach
from kdlib.training.plan import Cohort, plan
from kdlib.training.progress import Group, Progress, duration
from kdlib.training.weights import digest, epochs_done, load_checkpoint, load_weights, save_checkpoint
from kdlib.words import count

CHECKPOINT_SHARE = 20  # checkpoints are at least 20 times as long apart as the last one took to write
SECONDS_BETWEEN_LOOKS = 1.0  # at the runs that another process trains


def train(
    runs: list[Run],
    budget: float | None = None,
    threads: int | None = None,
    device: str | None = None,
    store: Store | None = None,
) -> pd.DataFrame:
    """Trains what has no record yet and returns a table, a row a run (kdlib.store.tables.table).

    `budget` (minutes) ends the work at an epoch's end with everything kept; 0 only says what there is to do. `threads`
    is for CPUs (None: all cores). A later call goes on where this one stopped; a run that failed is not tried again
    before `python -m kdlib runs retry`.
    """
    cells.say_if_outdated()
    runs = [runs] if isinstance(runs, Run) else list(runs)
    for name, value, least in (("budget", budget, 0), ("threads", threads, 1)):
        if value is not None and value < least:
            raise KdlibError(f"{name} is {value}: give {least} or more.")
    if device == "cuda" and not torch.cuda.is_available():
        raise KdlibError("There is no GPU that torch can use: leave device out, or give 'cpu'.")
    store = store or Store()
    store.check_writable()
    engine = Engine(store, threads or torch.get_num_threads(), torch.device(device or best_device()), budget)
    before = torch.get_num_threads()
    try:
        engine.train(runs)
    finally:
        torch.set_num_threads(before)
    return tables.table(runs, records.current(runs, store))


class Engine:
    """Trains cohorts on one device, within a budget."""

    def __init__(self, store: Store, threads: int, device: torch.device, budget: float | None):
        self.store, self.threads, self.device = store, threads, device
        self.deadline = None if budget is None else time.monotonic() + 60 * budget
        self.progress = Progress()
        self.costs: dict[tuple, Cost] = {}
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.deterministic = True

    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def train(self, runs: list[Run]) -> None:
        cohorts = plan(runs, self.store)
        self.announce(runs, cohorts)
        while cohorts and not self.out_of_time():
            if not any(self.train_group(cohort) for cohort in cohorts):
                self.progress.say("Another process trains what is left: waiting for its records.")
                time.sleep(SECONDS_BETWEEN_LOOKS)
            cohorts = plan(runs, self.store)

    def announce(self, runs: list[Run], cohorts: list[Cohort]) -> None:
        """Says what there is to do, and for how long, measured on a few steps that are thrown away."""
        kept = {run.key: self.store.record(run.key) for run in runs}
        planned = {run.key for cohort in cohorts for run in cohort.runs}
        status = [record["status"] for record in kept.values() if record]
        line = f"{count(status.count('finished'), 'run')} measured"
        if failed := status.count("failed"):
            line += f", {failed} failed"
        if waiting := sum(record is None and key not in planned for key, record in kept.items()):
            line += f", {waiting} without their teacher, which failed"
        if cohorts:
            todo = sum(len(c.runs) for c in cohorts)
            seconds = sum(self.cost(c).total([self.epochs_left(run) for run in c.runs]) for c in cohorts)
            place = self.device.type if self.device.type != "cpu" else count(self.threads, "thread")
            line += f"; {todo} to train in {count(len(cohorts), 'cohort')}: about {duration(seconds)} on {place}"
        self.progress.say(line + ".", last=True)

    def epochs_left(self, run: Run) -> int:
        return run.epochs - epochs_done(self.store, run.key)

    def train_group(self, cohort: Cohort) -> int:
        """Trains as many of the cohort's runs as the budget, the memory and other processes leave; how many it had."""
        ready = [run for run in cohort.runs if all(self.store.has_weights(t.key) for t in run.teachers)]
        ready.sort(key=lambda run: not self.store.has_checkpoint(run.key))  # those that were begun first
        with claim(self.store, [run.key for run in ready], self.group_size(cohort)) as mine:
            group = [run for run in ready if run.key in mine]
            taught_by = {t.key: t for run in group for t in run.teachers}
            weights = {key: load_weights(self.store, key) for key in taught_by}
            if not group or None in weights.values():  # damaged weights were set aside: the plan is another one now
                return len(group)
            threads_per_run = self.threads if cohort.alone else 1
            torch.set_num_threads(threads_per_run)
            images = Images(group[0], self.device)
            students = [self.student(run, images) for run in group]
            for note in dict.fromkeys(note for student in students for note in student.notes()):
                self.progress.say(note, last=True)
            teachers = {key: ready_to_teach(run, images, weights[key]) for key, run in taught_by.items()}
            digests = {key: digest(values) for key, values in weights.items()}
            setting = {"device": _device_name(self.device), "threads_per_run": threads_per_run}
            pool = Pool(self.threads if self.device.type == "cpu" else 1)
            self.train_students(students, teachers, digests, images, pool, setting)
            return len(group)

    def train_students(self, students, teachers, digests, images, pool, setting) -> None:
        """To the end or until time is up; finished runs are stored at once, the others as checkpoints."""
        training, saved, writing = list(students), time.monotonic(), 0.0
        kinds = ", ".join(sorted({s.run.network for s in students}))
        progress = Group(self.progress, f"{count(len(students), 'run')} of {kinds} on {students[0].run.data}", students)
        for epoch in train_epochs(students, teachers, images, pool):
            done = [s for s in training if s.done]
            training = [s for s in training if not s.done]
            pool.map(lambda s: records.finish(self.store, s, images, digests, setting), done)
            progress.say(epoch)
            if self.out_of_time() or time.monotonic() - saved >= CHECKPOINT_SHARE * writing:
                begun = time.monotonic()
                for student in training:
                    save_checkpoint(self.store, student.run.key, student.state())
                saved, writing = time.monotonic(), time.monotonic() - begun
            if self.out_of_time():
                return

    def student(self, run: Run, images: Images) -> Learner:
        student = Learner(run, images, self.device)
        checkpoint = load_checkpoint(self.store, run.key)
        if checkpoint:
            student.restore(checkpoint)
        return student

    def cost(self, cohort: Cohort) -> Cost:
        """Measured once a cohort, on a few steps that are thrown away."""
        if cohort.place not in self.costs:
            self.costs[cohort.place] = measure(cohort.runs, cohort.alone, self.threads, self.device)
        return self.costs[cohort.place]

    def group_size(self, cohort: Cohort) -> int:
        """How many of the cohort's runs fit in memory and finish within the budget; at least one a thread."""
        cost = self.cost(cohort)
        fits = max(self.threads, free_memory(self.device) / cost.bytes_per_run)
        if self.deadline is not None:
            epochs = max(self.epochs_left(run) for run in cohort.runs)
            left = self.deadline - time.monotonic()
            fits = min(fits, max(self.threads, cost.runs_within(left / max(1, epochs))))
        return int(min(fits, len(cohort.runs)))


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
