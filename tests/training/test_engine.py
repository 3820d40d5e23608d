"""Who trains with whom changes no bit; and what is left when something goes wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

import kdlib
from kdlib import KdlibError, Run, Term, plan
from kdlib.run import lineage
from kdlib.store import Store
from kdlib.training import engine
from kdlib.training.engine import Engine
from kdlib.training.estimate import Cost, free_memory
from kdlib.training.learner import Learner
from kdlib.training.weights import load_checkpoint, save_checkpoint

ROOT = Path(kdlib.__file__).resolve().parents[1]
HALF = Term("cross_entropy", 0.5)


def train(runs, store, threads=1, **options):
    table = kdlib.train(runs, threads=threads, store=store, **options)
    assert list(table["key"]) == [run.key for run in runs]
    return table


def bits(store, runs):
    """All that must be the same: weights, logits and history of every run that has a record."""
    found = {}
    for run in runs:
        if record := store.record(run.key):
            logits = {k: v.tobytes() for k, v in (store.logits(run.key) or {}).items()}
            found[run.key] = record.get("weights"), logits, record["history"], record["taught_by"]
    return found


@pytest.fixture(scope="module")
def study():
    return tiny.study()


@pytest.fixture(scope="module")
def expected(study, tmp_path_factory):
    """The bits of each run of the study trained with no company but its teachers."""
    alone = {}
    for number, run in enumerate(study):
        store = Store(tmp_path_factory.mktemp(f"alone{number}"), results="")
        train([run], store)
        alone |= bits(store, lineage([run]))
    assert len(alone) == len(lineage(study))
    return alone


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_alone_in_a_cohort_and_in_a_pool(threads, study, expected, store):
    table = train(study, store, threads)
    assert bits(store, lineage(study)) == expected
    assert (table["status"] == "finished").all()


@pytest.mark.parametrize("size", [1, 2])
def test_the_same_bits_in_groups_of_another_size(size, study, expected, store, monkeypatch):
    monkeypatch.setattr(Engine, "group_size", lambda self, cohort: size)
    train(study, store, threads=2)
    assert bits(store, lineage(study)) == expected


def test_the_same_bits_after_a_budget_stopped_the_work(study, expected, store, monkeypatch, capsys):
    ended = []
    end = Learner.end_epoch
    monkeypatch.setattr(Learner, "end_epoch", lambda self, images: (end(self, images), ended.append(self.run.key)))

    def train_until(epochs):
        """Stops when so many epochs of runs have ended."""
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "out_of_time", lambda self: len(ended) >= epochs)
            return train(study, store)

    teachers = 2 * 2
    assert set(train_until(teachers + 5)["status"]) == {"not measured"}
    assert {load_checkpoint(store, run.key)["epoch"] for run in study} == {1}
    assert set(train_until(teachers + 10)["status"]) == {"not measured", "finished"}  # the shortest is done
    table = train(study, store)
    assert len(ended) == teachers + sum(run.epochs for run in study)  # none twice
    assert set(table["status"]) == {"finished"}
    assert bits(store, lineage(study)) == expected


def test_a_budget_of_zero_says_the_plan_and_trains_nothing(study, store, capsys):
    table = train(study, store, budget=0)
    assert set(table["status"]) == {"not measured"}
    assert table[["accuracy", "ece", "nll", "brier", "seconds"]].isna().all(axis=None)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1
    todo = f"0 runs measured; {len(lineage(study))} to train in 2 cohorts: about "
    assert said[0].startswith(todo) and said[0].endswith("on 1 thread.")
    assert store.keys() == []


def test_a_budget_ends_the_work(store, capsys):
    run = tiny.run(100_000)
    began = time.monotonic()
    table = train([run], store, budget=2 / 60)
    assert 2 < time.monotonic() - began < 30
    assert list(table["status"]) == ["not measured"]
    done = load_checkpoint(store, run.key)["epoch"]
    assert done >= 1
    assert Engine(store, 1, torch.device("cpu"), None).epochs_left(run) == 100_000 - done


def test_a_second_call_trains_nothing(study, store, capsys):
    table = train(study, store)
    written = {path: path.stat().st_mtime_ns for path in store.root.glob("*/*")}
    capsys.readouterr()
    again = train(study, store)
    assert capsys.readouterr().out == f"{len(study)} runs measured.\n"
    assert {path: path.stat().st_mtime_ns for path in store.root.glob("*/*")} == written
    assert again.equals(table)


def test_the_estimate_is_made_of_measured_steps(store):
    runs = [tiny.run(40, seed=seed) for seed in range(3)]
    engine = Engine(store, 1, torch.device("cpu"), None)
    torch.set_num_threads(1)
    (cohort,) = plan(runs, store)
    cost = engine.cost(cohort)
    assert cost.steps == 5 and cost.teaching == 0 and 1e-5 < cost.studying < 10
    parameters = sum(p.numel() for p in kdlib.models.build("cnn2", 10, 1, 8).parameters())
    assert cost.bytes_per_run == 16 * parameters  # weights, gradients, momentum, best weights


def test_costs_add_up():
    cost = Cost(steps=10, teaching=1.0, studying=2.0, workers=2, bytes_per_run=1)
    assert [cost.epoch(runs) for runs in (1, 2, 3, 4)] == [30, 30, 50, 50]
    assert cost.total([3, 1, 2]) == 50 + 30 + 30
    assert [cost.runs_within(seconds) for seconds in (5, 29, 30, 49, 50)] == [0, 0, 2, 2, 4]
    assert free_memory(torch.device("cpu")) > 1e6


def test_memory_bounds_a_group_whatever_the_system_says(study, store, monkeypatch):
    (teachers, students) = plan(study, store)
    engine = Engine(store, 2, torch.device("cpu"), None)
    for free, size in ((float("inf"), len(study)), (0, 2)):
        monkeypatch.setattr(engine, "free_memory", lambda device, free=free: free)
        assert engine.group_size(students) == size


# Cohorts -------------------------------------------------------------------------------------------------------------


def test_teachers_come_first_and_company_sees_the_same_batches(store):
    teacher = tiny.teacher()
    middle = tiny.run(objective=[HALF, Term("kd")], teachers=[teacher])
    last = tiny.run(objective=[HALF, Term("kd")], teachers=[middle])
    other = [tiny.run(data_seed=1), tiny.run(batch_size=16), tiny.run(precision="bf16"), tiny.run(augmentation="none"),
             tiny.run(image_size=4), tiny.run(held_out=2), tiny.run(data="digits")]  # fmt: skip
    same = [tiny.run(lr=0.2), tiny.run(9), tiny.run(network="resnet8"), tiny.run(seed=3), tiny.run(evaluate_every=2)]
    planned = [[run.key for run in cohort.runs] for cohort in plan([last, *same, *other], store)]
    assert planned[:2] == [[teacher.key], [middle.key]]
    assert planned[2] == [last.key, *(run.key for run in same)]
    assert planned[3:] == [[run.key] for run in other]


def test_a_large_run_that_is_alone_gets_all_cores(store):
    def alone(*runs):
        return [cohort.alone for cohort in plan(runs, store)]

    large = Run(data="cifar10", network="resnet8", epochs=1)
    student = Run(data="cifar10", network="cnn2", epochs=1, objective=[Term("kd")], teachers=[large])
    assert alone(large) == [True]
    assert alone(student) == [True, True]
    assert alone(large, Run(data="cifar10", network="cnn2", epochs=1)) == [False]
    assert alone(tiny.run()) == [False]  # threads would wait for one another longer than they work
    store.save_record({"key": student.key, "status": "finished"})
    assert alone(student, Run(data="cifar10", network="cnn2", epochs=2)) == [False]  # finished ones count, too


def test_a_teacher_is_trained_only_for_a_student_that_needs_it(study, store, capsys):
    student = study[2]
    train([student], store)
    store.remove(student.teachers[0].key)
    assert plan([student], store) == []
    again = tiny.run(lr=0.2, objective=student.objective, teachers=student.teachers)
    assert [[run.key for run in c.runs] for c in plan([student, again], store)] == [
        [student.teachers[0].key], [again.key]]  # fmt: skip


def test_a_teacher_with_a_record_but_no_weights_is_trained_again(study, expected, store, capsys):
    """As a large committed teacher is, whose weights are not committed."""
    student = study[2]
    (teacher,) = student.teachers
    train([teacher], store)
    (store.root / teacher.key / "weights.pt").unlink()
    table = train([student], store, budget=0.5)
    assert list(table["status"]) == ["finished"]
    assert bits(store, [student, teacher]) == {run.key: expected[run.key] for run in (student, teacher)}


def test_a_teacher_whose_weights_are_damaged_is_trained_again(study, expected, store, capsys):
    student = study[2]
    (teacher,) = student.teachers
    train([teacher], store)
    damage(store.root / teacher.key / "weights.pt")
    train([student], store, budget=0.5)
    assert f"Run {teacher.key} is damaged (its weights cannot be read): set aside" in capsys.readouterr().out
    assert bits(store, [student, teacher]) == {run.key: expected[run.key] for run in (student, teacher)}


# When something goes wrong -------------------------------------------------------------------------------------------


def damage(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize("name", ["record.json", "checkpoint.pt"])
def test_a_damaged_run_is_set_aside_said_and_trained_again(name, study, expected, store, monkeypatch, capsys):
    run = study[0]
    if name == "checkpoint.pt":
        stops = iter([False, False, True, True])
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "out_of_time", lambda self: next(stops))
            train([run], store)
    else:
        train([run], store)
    damage(store.root / run.key / name)
    capsys.readouterr()
    train([run], store)
    what = name.partition(".")[0]
    said = capsys.readouterr().out
    assert said.count("is damaged") == 1
    assert f"Run {run.key} is damaged (its {what} cannot be read): set aside as {run.key}.damaged-0, to be" in said
    assert (store.root / f"{run.key}.damaged-0" / name).exists()
    assert bits(store, [run]) == {run.key: expected[run.key]}
    assert store.keys() == [run.key]


def test_a_run_that_fails_leaves_its_company_alive(study, expected, store, capsys):
    def poison(batch, student, *, strength=1.0):
        return student.logits.sum() * (float("nan") if strength == 2 else 0)

    kdlib.terms.add("poison", poison)
    sick = tiny.run(objective=[Term("cross_entropy"), Term("poison", strength=2)])
    wild = tiny.run(lr=1e30)
    table = train([sick, *study, wild], store, threads=2)
    assert bits(store, lineage(study)) == expected
    assert list(table["status"]) == ["failed", *["finished"] * len(study), "failed"]
    assert table["reason"].iloc[0] == "the loss term poison became nan in epoch 1"
    assert "epoch 1" in table["reason"].iloc[-1]
    assert table["reason"].iloc[1:-1].isna().all()
    assert np.isnan(table["accuracy"].iloc[0])
    assert not (store.root / sick.key / "weights.pt").exists()

    written = (store.root / sick.key / "record.json").stat().st_mtime_ns
    capsys.readouterr()
    train([sick], store)
    assert capsys.readouterr().out == "0 runs measured, 1 failed.\n"
    assert (store.root / sick.key / "record.json").stat().st_mtime_ns == written
    taught = tiny.run(objective=[HALF, Term("kd")], teachers=[sick])
    assert list(train([taught, sick], store)["status"]) == ["not measured", "failed"]
    assert capsys.readouterr().out == "0 runs measured, 1 failed, 1 without their teacher, which failed.\n"
    store.remove(sick.key)
    assert [c.runs for c in plan([sick], store)] == [[sick]]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_of_the_kernel_loses_one_epoch_at_most(threads, store, monkeypatch, request):
    """Ctrl-C, or Interrupt in JupyterLab, in the middle of the third epoch."""
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
    monkeypatch.setattr(engine, "CHECKPOINT_SHARE", 0)  # as where writing takes no time: after every epoch
    objective = [Term("cross_entropy"), Term("interrupted")]
    runs = [tiny.run(4, seed=seed, objective=objective) for seed in range(2)]
    whole = Store(store.root.with_name("whole"), results="")
    train(runs, whole)
    (cohort,) = plan(runs, store)
    works = Engine(store, threads, torch.device("cpu"), None)
    works.cost(cohort)  # its steps do not count
    steps["left"] = 2 * 5 * 2 + 5  # two runs, five steps an epoch, two epochs and a half
    with pytest.raises(KeyboardInterrupt):
        works.train(runs)
    assert {load_checkpoint(store, run.key)["epoch"] for run in runs} == {2}
    train(runs, store, threads)
    assert bits(store, runs) == bits(whole, runs)
    assert not list(store.root.glob("*/*.partial"))


TRAIN = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import tiny, kdlib
from kdlib.training import records
finish = records.finish
def noted(store, student, *rest):
    with open(sys.argv[3], "a") as log:
        log.write(student.run.key + "\\n")
    return finish(store, student, *rest)
records.finish = noted
print("ready", flush=True)
sys.stdin.readline()
table = kdlib.train(tiny.study(int(sys.argv[4])), threads=1)
print(json.dumps(table[["key", "status", "accuracy"]].values.tolist()))
"""


class Process:
    """Another process that trains the tiny study in the default store once it is told to."""

    def __init__(self, log, epochs):
        command = [sys.executable, "-c", TRAIN, ROOT, ROOT / "tests", log, str(epochs)]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def go(self):
        assert self.popen.stdout.readline() == "ready\n"
        self.popen.stdin.write("\n")
        self.popen.stdin.flush()

    def table(self):
        out, _ = self.popen.communicate(timeout=120)
        assert self.popen.returncode == 0
        return json.loads(out.splitlines()[-1])


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


def test_two_processes_on_one_store_train_nothing_twice(store, tmp_path):
    epochs = 6
    processes = [Process(tmp_path / "log", epochs) for _ in range(2)]
    for process in processes:
        process.go()
    one, other = (process.table() for process in processes)
    study = tiny.study(epochs)
    assert sorted((tmp_path / "log").read_text().split()) == sorted(run.key for run in lineage(study))
    assert one == other
    assert [row[:2] for row in one] == [[run.key, "finished"] for run in study]


def test_checkpoints_are_twenty_times_as_far_apart_as_they_take(store, monkeypatch):
    run = tiny.run(100)
    saves = []

    def slow(store, key, state):
        began = time.monotonic()
        save_checkpoint(store, key, state)
        time.sleep(0.01)
        saves.append((began, time.monotonic(), state["epoch"]))

    monkeypatch.setattr(engine, "save_checkpoint", slow)
    train([run], store)
    assert saves[0][2] == 1  # the first epoch is safe at once
    assert len(saves) > 1
    for (began, ended, _), (again, _, _) in zip(saves, saves[1:], strict=False):
        assert again - ended >= 20 * 0.9 * (ended - began)


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (tiny.run(network="resnet8", width=8), "Network 'resnet8' has no width, but was given 8: leave width out"),
        (tiny.run(image_size=2), "Network 'cnn2' got images of side 2: give 4 or more"),
        (tiny.run(image_size=3), "Images of 8 x 8 cannot be halved to 3 x 3: give one of 8, 4, 2, 1"),
        (tiny.run(imbalance_factor=50), "factor of 50.0 leaves the last class empty at .* give .* or less"),
        (tiny.run(held_out=50), "Class 0 has .* images, too few to hold 50 out"),
        (tiny.run(objective=[HALF, Term("kd")], teachers=[tiny.teacher(width=4)]), "Network 'resnet8' has no width"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is(run, sentence, store):
    with pytest.raises(KdlibError, match=sentence):
        train([tiny.run(1), run], store)
    assert store.keys() == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"budget": -1}, "budget is -1: give 0 or more"),
        ({"threads": 0}, "threads is 0: give 1 or more"),
        ({"device": "cuda"}, "no GPU that torch can use"),
    ],
)
def test_bad_options_get_one_sentence(options, sentence, store):
    if "device" in options and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(KdlibError, match=sentence):
        kdlib.train([tiny.run(1)], store=store, **options)


def test_a_store_that_cannot_be_written_gets_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDLIB_STORE", str(tmp_path / "file" / "runs"))
    with pytest.raises(KdlibError, match="The store .*runs cannot be written .*: set .KDLIB_STORE to a folder"):
        kdlib.train([tiny.run(1)])


def test_threads_are_given_back(store):
    torch.set_num_threads(2)
    train([tiny.run(1)], store, threads=1)
    assert torch.get_num_threads() == 2


def test_a_single_run_needs_no_list(store):
    assert list(kdlib.train(tiny.run(1), store=store)["status"]) == ["finished"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: the CUDA path cannot be tried")
def test_a_gpu_trains_the_study(study, store):
    table = train(study, store, device="cuda")
    assert set(table["status"]) == {"finished"}
    assert kdlib.record(study[0])["provenance"]["device"] == torch.cuda.get_device_name()
