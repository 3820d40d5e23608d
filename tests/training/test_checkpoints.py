"""What a stop leaves behind: every epoch that was finished."""

import io
import os
import signal
import time

import pytest
import tiny
import torch
from processes import Process
from tiny import bits, train

import kdlib
from kdlib import Term, plan
from kdlib.registry import Stopped
from kdlib.run import lineage
from kdlib.store import Store
from kdlib.training import checkpoints, engine, records
from kdlib.training.batches import Images
from kdlib.training.engine import Engine
from kdlib.training.estimate import Cost
from kdlib.training.learner import Learner
from kdlib.training.loop import Pool, train_epochs
from kdlib.training.weights import load_checkpoint, save_checkpoint


@pytest.mark.parametrize("share", [0, 1e9])  # checkpoints after every epoch, and after the first one only
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_of_the_kernel_loses_no_finished_epoch(threads, share, store, monkeypatch, request):
    """Ctrl-C, or Interrupt in JupyterLab, in the middle of the fourth epoch."""
    # A shell starts jobs in the background with Ctrl-C ignored, and its processes inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    steps = {"left": None}

    def interrupted(batch, student):
        if steps["left"] is not None:
            steps["left"] -= 1
            if steps["left"] == 0:
                signal.raise_signal(signal.SIGINT)
        return student.logits.sum() * 0

    kdlib.terms.add("interrupted", interrupted)
    monkeypatch.setattr(checkpoints, "CHECKPOINT_SHARE", share)
    objective = [Term("cross_entropy"), Term("interrupted")]
    short, *runs = [tiny.run(epochs, seed=epochs, objective=objective) for epochs in (2, 5, 6)]
    whole = Store(store.root.with_name("whole"), results="")
    train([short, *runs], whole)
    (cohort,) = plan([short, *runs], store)
    works = Engine(store, threads, torch.device("cpu"), None)
    works.cost(cohort)  # its steps do not count
    steps["left"] = 5 * (2 * 3 + 1 * 2) + 5  # five steps an epoch: two of three runs, the third of two, and a half
    with pytest.raises(KeyboardInterrupt) as stopped:
        works.train([short, *runs])
    said = "Stopped at epoch 3 of 6: 1 of 3 finished, kept; the same command goes on."
    assert str(stopped.value) == said and type(stopped.value) is Stopped
    assert stopped.value._render_traceback_() == [said]
    assert {load_checkpoint(store, run.key)["epoch"] for run in runs} == {3}
    assert not store.has_checkpoint(short.key)
    train([short, *runs], store, threads)
    assert bits(store, [short, *runs]) == bits(whole, [short, *runs])
    assert not list(store.root.glob("*/*.partial"))


def test_an_interrupt_while_results_are_measured_loses_nothing(store, monkeypatch):
    """A run that has made its last epoch needs no other one."""
    run = tiny.run(2)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(records, "compose", interrupted)
        with pytest.raises(Stopped, match="Stopped.*: 0 of 1 finished"):
            train([run], store)
    assert load_checkpoint(store, run.key)["epoch"] == 2
    monkeypatch.setattr(Learner, "begin_epoch", None)  # nothing is left to train
    monkeypatch.setattr(Engine, "cost", lambda self, cohort: Cost(1, 0, 1, 1, 1))
    assert list(train([run], store)["status"]) == ["finished"]


def test_an_interrupt_before_the_first_epoch_says_so(store, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "plan", interrupted)
    with pytest.raises(Stopped, match="^Stopped: 0 of 1 finished, kept; the same command goes on.$"):
        train([tiny.run()], store)


def test_held_states_are_not_changed_by_training_on():
    images = Images(tiny.run())
    learner = Learner(tiny.run(), images)
    epochs = train_epochs([learner], {}, images, Pool(1))
    next(epochs)
    held = checkpoints.copied(learner.state())
    kept = io.BytesIO()
    torch.save(held, kept)
    next(epochs)
    again = io.BytesIO()
    torch.save(held, again)
    assert kept.getvalue() == again.getvalue() and len(held["history"]) == 1 < len(learner.history)
    layouts = [(p.stride(), m.stride()) for p, m in zip(learner.model.parameters(), held["momentum"], strict=True)]
    assert all(own == copy for own, copy in layouts)


def test_checkpoints_are_twenty_times_as_far_apart_as_they_take(store, monkeypatch):
    run = tiny.run(100)
    saves = []

    def slow(store, key, state):
        began = time.monotonic()
        save_checkpoint(store, key, state)
        time.sleep(0.01)
        saves.append((began, time.monotonic(), state["epoch"]))

    monkeypatch.setattr(checkpoints, "save_checkpoint", slow)
    train([run], store)
    assert saves[0][2] == 1  # the first epoch is safe at once
    assert len(saves) > 1
    for (began, ended, _), (again, _, _) in zip(saves, saves[1:], strict=False):
        assert again - ended >= 20 * 0.9 * (ended - began)


def test_after_a_kill_the_bits_are_the_same(store, tmp_path):
    epochs = 25
    study = tiny.study(epochs)
    process = Process(tmp_path / "log", epochs)
    process.go()
    deadline = time.monotonic() + 60
    while not store.has_checkpoint(study[0].key) and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    os.kill(process.popen.pid, signal.SIGKILL)
    process.popen.communicate()
    assert process.popen.returncode == -signal.SIGKILL
    assert not (tmp_path / "log").read_text().count(study[0].key)  # in the middle of the students' training
    assert 1 <= load_checkpoint(store, study[0].key)["epoch"] < epochs
    train(study, store)
    whole = Store(tmp_path / "whole", results="")
    train(study, whole)
    assert bits(store, lineage(study)) == bits(whole, lineage(study))
