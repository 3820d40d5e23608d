"""What training will cost: measured, added up, corrected."""

import itertools
import time

import tiny
import torch

import kdlib
from kdlib import plan
from kdlib.training.engine import Engine
from kdlib.training.estimate import Cost, free_memory
from kdlib.training.learner import Learner


def test_the_estimate_is_made_of_measured_steps(store):
    runs = [tiny.run(40, seed=seed) for seed in range(3)]
    torch.set_num_threads(1)
    (cohort,) = plan(runs, store)
    cost = Engine(store, 1, torch.device("cpu"), None).cost(cohort)
    assert cost.steps == 5 and cost.teaching == 0 and 1e-5 < cost.studying < 10
    parameters = sum(p.numel() for p in kdlib.models.build("cnn2", 10, 1, 8).parameters())
    assert cost.bytes_per_run == 24 * parameters  # weights, gradients, momentum; best, held weights and momentum


def test_costs_add_up():
    cost = Cost(steps=10, teaching=1.0, studying=2.0, workers=2, bytes_per_run=1)
    assert [cost.epoch(runs) for runs in (1, 2, 3, 4)] == [30, 30, 50, 50]
    assert cost.total([3, 1, 2]) == 50 + 30 + 30
    assert [cost.runs_within(seconds) for seconds in (5, 29, 30, 49, 50)] == [0, 0, 2, 2, 4]
    assert free_memory(torch.device("cpu")) > 1e6


def test_one_stalled_step_does_not_spoil_the_estimate(store, monkeypatch):
    """As on a busy machine: of each three timings one takes a hundred times as long, whichever it is."""
    (cohort,) = plan([tiny.run(seed=seed) for seed in range(2)], store)
    step, stalled = Learner.step, itertools.cycle([True, False, False])
    monkeypatch.setattr(Learner, "step", lambda *given: (next(stalled) and time.sleep(0.5), step(*given)))
    cost = Engine(store, 1, torch.device("cpu"), None).cost(cohort)
    assert cost.studying < 0.25


def test_costs_are_corrected_by_what_was_trained(store, monkeypatch):
    """The size of a later group hangs on it."""
    cost = Cost(steps=10, teaching=1.0, studying=2.0, workers=2, bytes_per_run=7)
    assert cost.corrected([(2, 3.0), (1, 3.0)]) == Cost(10, 0.1, 0.2, 2, 7)
    assert cost.corrected([]) == cost
    runs = [tiny.run(2, seed=seed) for seed in range(3)]
    (cohort,) = plan(runs, store)
    works = Engine(store, 1, torch.device("cpu"), None)
    works.costs[cohort.place] = Cost(steps=5, teaching=0.0, studying=100.0, workers=1, bytes_per_run=1)
    works.deadline = time.monotonic() + 60
    assert works.group_size(cohort) == 1
    works.train_group(cohort)
    assert works.costs[cohort.place].studying < 1
    (cohort,) = plan(runs, store)
    assert works.group_size(cohort) == len(cohort.runs) == 2
