"""Which runs train together, and `train`: cohorts, groups, the estimate before work, the budget.

A cohort is the runs that see the same batches. A group is the part of it that is trained at one time: as many runs as
finish within the budget and fit in memory. Teachers come first.
"""

import time
from dataclasses import dataclass

import pandas as pd
import torch

from kdlib import records
from kdlib.data.batches import Images
from kdlib.estimate import Cost, free_memory, measure
from kdlib.loop import Pool, Student, network, train_epochs
from kdlib.progress import Group, Progress, count, duration
from kdlib.run import Run, lineage
from kdlib.store import Store, digest

SHARED = ("data", "image_size", "held_out", "augmentation", "batch_size", "data_seed", "precision")
CHECKPOINT_SHARE = 20  # checkpoints are at least 20 times as long apart as the last one took to write
SECONDS_BETWEEN_LOOKS = 1.0  # at the runs that another process trains


def train(
    runs: list[Run],
    budget: float | None = None,
    threads: int | None = None,
    device: str | None = None,
    store: Store | None = None,
) -> pd.DataFrame:
    """Trains what has no record yet and returns a table, a row a run (kdlib.records.table).

    `budget` (minutes) ends the work at an epoch's end with everything kept; 0 only says what there is to do. `threads`
    is for CPUs (None: all cores). A later call goes on where this one stopped; a run that failed is not tried again
    before `python -m kdlib runs --retry`.
    """
    runs = list(runs)
    store = store or Store()
    store.check_writable()
    engine = Engine(store, threads or torch.get_num_threads(), torch.device(device or best_device()), budget)
    before = torch.get_num_threads()
    try:
        engine.train(runs)
    finally:
        torch.set_num_threads(before)
    return records.table(runs, {run.key: store.record(run.key) for run in runs})


@dataclass
class Cohort:
    """Runs to be trained that see the same batches. `alone`: one run is all there is, finished ones counted too; then
    it gets all cores, where otherwise each run has one thread."""

    runs: list[Run]
    alone: bool


def plan(runs: list[Run], store: Store | None = None) -> list[Cohort]:
    """The cohorts still to be trained, teachers first.

    A run that was asked for is trained if it has no record; a teacher if its weights are missing and a run that is to
    be trained needs them. Whether a run is alone depends on what was asked for, not on what is finished, so that a
    stop and resume changes no bit.
    """
    store = store or Store()
    height = _heights(runs)

    def place(run: Run) -> tuple:
        return -height[run.key], tuple(getattr(run, name) for name in SHARED)

    needed = _needed(runs, store)
    cohorts: dict[tuple, list[Run]] = {}
    for run in needed:
        cohorts.setdefault(place(run), []).append(run)
    everyone = [place(run) for run in lineage(runs)]
    return [Cohort(cohorts[p], everyone.count(p) == 1) for p in sorted(cohorts, key=lambda p: p[0])]


def _needed(runs: list[Run], store: Store) -> list[Run]:
    needed: dict[str, Run] = {}

    def need(run: Run) -> bool:
        """Puts the run and the teachers it lacks into `needed`; False if a teacher failed."""
        record = store.record(run.key)
        if record and record["status"] == "failed":
            return False
        if not all(need(teacher) for teacher in run.teachers if store.weights(teacher.key) is None):
            return False
        needed[run.key] = run
        return True

    for run in runs:
        if store.record(run.key) is None:
            need(run)
    return list(needed.values())


def _heights(runs: list[Run]) -> dict[str, int]:
    """0 for a run that teaches nobody, 1 for the teacher of such a run, and so on."""
    height: dict[str, int] = {}
    for run in reversed(lineage(runs)):  # students before their teachers
        own = height.setdefault(run.key, 0)
        for teacher in run.teachers:
            height[teacher.key] = max(height.get(teacher.key, 0), own + 1)
    return height


class Engine:
    """Trains cohorts on one device, within a budget."""

    def __init__(self, store: Store, threads: int, device: torch.device, budget: float | None):
        self.store, self.threads, self.device = store, threads, device
        self.deadline = None if budget is None else time.monotonic() + 60 * budget
        self.progress = Progress()
        self.costs: dict[str, Cost] = {}
        if device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.deterministic = True

    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def train(self, runs: list[Run]) -> None:
        cohorts = plan(runs, self.store)
        self.announce(runs, cohorts)
        while cohorts and not self.out_of_time():
            if not self.train_group(cohorts[0]):
                time.sleep(SECONDS_BETWEEN_LOOKS)  # another process trains them: wait for its records
            cohorts = plan(runs, self.store)

    def announce(self, runs: list[Run], cohorts: list[Cohort]) -> None:
        """Says what there is to do, and for how long, measured on a few steps that are thrown away."""
        todo = sum(len(c.runs) for c in cohorts)
        finished = sum(self.store.record(run.key) is not None for run in {r.key: r for r in runs}.values())
        line = f"{count(finished, 'run')} measured"
        if todo:
            seconds = sum(self.cost(c).epoch(len(c.runs)) * max(r.epochs for r in c.runs) for c in cohorts)
            place = self.device.type if self.device.type != "cpu" else count(self.threads, "thread")
            line += f"; {todo} to train in {count(len(cohorts), 'cohort')}: about {duration(seconds)} on {place}"
        self.progress.say(line + ".", last=True)

    def train_group(self, cohort: Cohort) -> int:
        """Trains as many of the cohort's runs as the budget, the memory and other processes leave; how many it had."""
        started = sorted(cohort.runs, key=lambda run: not self.store.has_checkpoint(run.key))
        with self.store.claim([run.key for run in started], self.group_size(cohort)) as mine:
            group = [run for run in started if run.key in mine]
            if not group:
                return 0
            threads_per_run = self.threads if cohort.alone else 1
            torch.set_num_threads(threads_per_run)
            images = Images(group[0], self.device)
            students = [self.student(run, images) for run in group]
            teachers, digests = self.teachers(group, images)
            setting = {"device": _device_name(self.device), "threads_per_run": threads_per_run}
            pool = Pool(1 if cohort.alone or self.device.type != "cpu" else self.threads)
            self.train_students(students, teachers, digests, images, pool, setting)
            return len(group)

    def train_students(self, students, teachers, digests, images, pool, setting) -> None:
        """To the end or until time is up; finished runs are stored at once, the others as checkpoints."""
        training, saved, writing = list(students), time.monotonic(), 0.0
        kinds = ", ".join(sorted({s.run.network for s in students}))
        progress = Group(self.progress, f"{count(len(students), 'run')} of {kinds} on {students[0].run.data}", students)
        for epoch in train_epochs(students, teachers, images, pool):
            for student in [s for s in training if s.done]:
                taught_by = {t.key: digests[t.key] for t in student.run.teachers}
                records.finish(self.store, student, images, taught_by, setting)
                training.remove(student)
            progress.say(epoch)
            if self.out_of_time() or time.monotonic() - saved >= CHECKPOINT_SHARE * writing:
                begun = time.monotonic()
                for student in training:
                    self.store.save_checkpoint(student.run.key, student.state())
                saved, writing = time.monotonic(), time.monotonic() - begun
            if self.out_of_time():
                return

    def student(self, run: Run, images: Images) -> Student:
        student = Student(run, images, self.device)
        checkpoint = self.store.checkpoint(run.key)
        if checkpoint:
            student.restore(checkpoint)
        return student

    def teachers(self, group: list[Run], images: Images) -> tuple[dict, dict]:
        """The group's teachers as networks in evaluation mode, and their weights' digests, by key."""
        models, digests = {}, {}
        for run in {t.key: t for r in group for t in r.teachers}.values():
            weights = self.store.weights(run.key)
            model = network(run, images)
            model.load_state_dict(weights)
            models[run.key] = model.to(device=self.device, memory_format=torch.channels_last).eval()
            digests[run.key] = digest(weights)
        return models, digests

    def cost(self, cohort: Cohort) -> Cost:
        """Measured once a cohort, on a few steps that are thrown away."""
        name = cohort.runs[0].key
        if name not in self.costs:
            self.costs[name] = measure(cohort.runs, cohort.alone, self.threads, self.device)
        return self.costs[name]

    def group_size(self, cohort: Cohort) -> int:
        """How many of the cohort's runs fit in memory and finish within the budget; at least one a thread."""
        cost = self.cost(cohort)
        fits = max(self.threads, int(free_memory(self.device) / cost.bytes_per_run))
        if self.deadline is not None:
            epochs = max(run.epochs for run in cohort.runs)
            left = self.deadline - time.monotonic()
            fits = min(fits, max(self.threads, cost.runs_within(left / epochs)))
        return min(fits, len(cohort.runs))


def best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
