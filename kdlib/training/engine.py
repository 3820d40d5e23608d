"""`train`: what there is to do and for how long, group after group, until all is done or time is up."""

import time
from collections.abc import Iterable

import pandas as pd
import torch

from kdlib import cells
from kdlib.registry import KdlibError, Stopped
from kdlib.run import Run, coerce
from kdlib.store import Store, tables
from kdlib.store.locks import claim
from kdlib.training import records
from kdlib.training.cohorts import Cohort, plan
from kdlib.training.estimate import Cost, free_memory, measure
from kdlib.training.group import Group
from kdlib.training.loop import Pool
from kdlib.training.process import sigterm_stops, torch_settings
from kdlib.training.progress import Progress, duration
from kdlib.training.weights import epochs_done, load_weights
from kdlib.words import count

SECONDS_BETWEEN_LOOKS = 1.0  # at the runs that another process trains


def train(
    runs: Iterable[Run] | Run,
    budget: float | None = None,
    threads: int | None = None,
    device: str | None = None,
    store: Store | None = None,
) -> pd.DataFrame:
    """Trains what has no record yet and returns a table, one row per run (kdlib.store.tables.table).

    `budget` (minutes) ends the work at an epoch's end with everything kept; 0 only says what there is to do. `threads`
    is for CPUs (None: all cores); `device` is "cpu" or "cuda" (None: a GPU if there is one). A later call goes on where
    this one stopped; a run that failed is not tried again before `python -m kdlib runs retry`. Ctrl-C, JupyterLab's
    stop button and SIGTERM save what was reached: Stopped (a KeyboardInterrupt) says how far that is. Raises KdlibError
    on bad arguments, before any work.
    """
    cells.say_if_outdated()
    runs = _runs(runs)
    budget, threads = _at_least(0, budget, float, "budget"), _at_least(1, threads, int, "threads")
    device = _device(device)
    store = store or Store()
    store.check_writable()
    with torch_settings(), sigterm_stops():
        Engine(store, threads or torch.get_num_threads(), device, budget).train(runs)
    return tables.table(runs, records.current(runs, store))


def _runs(given: Iterable[Run] | Run) -> list[Run]:
    many = isinstance(given, Iterable) and not isinstance(given, str)
    runs = list(given) if many else [given]
    for run in runs:
        if not isinstance(run, Run):
            raise KdlibError(f"{run!r} cannot be trained: give a Run, or a list of Runs.")
    return runs


def _at_least(least: float, value: float | None, kind: type, name: str) -> float | None:
    coerced = coerce(value, kind | None, name)
    if coerced is not None and coerced < least:
        raise KdlibError(f"{name} is {value}: give {least} or more.")
    return coerced


def _device(name: str | None) -> torch.device:
    """ "cuda" has TF32 off."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if str(name).partition(":")[0] not in ("cpu", "cuda"):
        raise KdlibError(f"There is no device {name!r}: give 'cpu' or 'cuda'.")
    if name != "cpu" and not torch.cuda.is_available():
        raise KdlibError("There is no GPU that torch can use: leave device out, or give 'cpu'.")
    return torch.device(name)


class Engine:
    """Trains cohorts on one device, within a budget."""

    def __init__(self, store: Store, threads: int, device: torch.device, budget: float | None):
        self.store, self.threads, self.device = store, threads, device
        self.deadline = None if budget is None else time.monotonic() + 60 * budget
        self.progress = Progress()
        self.costs: dict[tuple, Cost] = {}  # by a cohort's place
        self.group: Group | None = None  # in training

    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def train(self, runs: list[Run]) -> None:
        """Until every run has a record or time is up."""
        try:
            self._train(runs)
        except KeyboardInterrupt:
            raise Stopped(self.how_far(runs)) from None

    def _train(self, runs: list[Run]) -> None:
        cohorts = plan(runs, self.store)
        self.announce(runs, cohorts)
        while cohorts and not self.out_of_time():
            if not any(self.train_group(cohort) for cohort in cohorts):
                self.progress.say("Another process trains what is left: waiting for its records.")
                time.sleep(SECONDS_BETWEEN_LOOKS)
            cohorts = plan(runs, self.store)

    def how_far(self, runs: list[Run]) -> str:
        """How far the work came, for a person who stopped it."""
        kept = [self.store.record(run.key) for run in runs]
        finished = sum(record is not None and record["status"] == "finished" for record in kept)
        pace = self.group and self.group.pace
        where = f" at epoch {pace.epoch} of {pace.epochs}" if pace else ""
        return f"Stopped{where}: {finished} of {len(runs)} finished, kept; the same command goes on."

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
            weights = {t.key: load_weights(self.store, t.key) for t in _teachers(group)}
            if group and None not in weights.values():  # damaged weights were set aside: the plan is another one now
                self.train_together(group, weights, cohort)
            return len(group)

    def train_together(self, runs: list[Run], weights: dict[str, dict], cohort: Cohort) -> None:
        threads_per_run = self.threads if cohort.alone else 1
        torch.set_num_threads(threads_per_run)
        setting = {"device": _device_name(self.device), "threads_per_run": threads_per_run}
        self.group = Group(runs, weights, self.store, self.progress, setting)
        self.group.train(self.device, Pool(self.threads if self.device.type == "cpu" else 1), self.out_of_time)
        self.costs[cohort.place] = self.cost(cohort).corrected(self.group.epochs)
        self.group = None

    def cost(self, cohort: Cohort) -> Cost:
        """Measured once per cohort, on a few steps that are thrown away; then corrected by what was trained."""
        if cohort.place not in self.costs:
            self.costs[cohort.place] = measure(cohort.runs, cohort.alone, self.threads, self.device)
        return self.costs[cohort.place]

    def group_size(self, cohort: Cohort) -> int:
        """How many of the cohort's runs fit in memory and finish within the budget; at least one per thread."""
        cost = self.cost(cohort)
        fits = max(self.threads, free_memory(self.device) / cost.bytes_per_run)
        if self.deadline is not None:
            epochs = max(self.epochs_left(run) for run in cohort.runs)
            left = self.deadline - time.monotonic()
            fits = min(fits, max(self.threads, cost.runs_within(left / max(1, epochs))))
        return int(min(fits, len(cohort.runs)))


def _teachers(runs: list[Run]) -> list[Run]:
    return list({teacher.key: teacher for run in runs for teacher in run.teachers}.values())


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
