"""Who trains with whom changes no bit; and what is left when something goes wrong."""

import time

import numpy as np
import pytest
import tiny
import torch
from processes import Process
from tiny import bits, train

import kdlib
from kdlib import KdlibError, Term, plan
from kdlib.run import lineage
from kdlib.store import Store
from kdlib.training import engine
from kdlib.training.engine import Engine
from kdlib.training.learner import Learner
from kdlib.training.weights import load_checkpoint

HALF = Term("cross_entropy", 0.5)


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


def test_memory_bounds_a_group_whatever_the_system_says(study, store, monkeypatch):
    (teachers, students) = plan(study, store)
    works = Engine(store, 2, torch.device("cpu"), None)
    for free, size in ((float("inf"), len(study)), (0, 2)):
        monkeypatch.setattr(engine, "free_memory", lambda device, free=free: free)
        assert works.group_size(students) == size


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
        ({"budget": "5"}, "budget is '5': give a finite number"),
        ({"budget": float("nan")}, "budget is nan: give a finite number"),
        ({"threads": 0}, "threads is 0: give 1 or more"),
        ({"threads": "2"}, "threads is '2': give a whole number"),
        ({"device": "gpu"}, "There is no device 'gpu': give 'cpu' or 'cuda'"),
        ({"runs": "a"}, "'a' cannot be trained: give a Run, or a list of Runs"),
        ({"runs": ["a"]}, "'a' cannot be trained: give a Run, or a list of Runs"),
        ({"runs": 3}, "3 cannot be trained: give a Run, or a list of Runs"),
        ({"device": "cuda"}, "no GPU that torch can use"),
    ],
)
def test_bad_options_get_one_sentence(options, sentence, store):
    if options.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(KdlibError, match=sentence):
        kdlib.train(**{"runs": [tiny.run(1)], "store": store, **options})
    assert store.keys() == []


def test_a_store_that_cannot_be_written_gets_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KDLIB_STORE", str(tmp_path / "file" / "runs"))
    with pytest.raises(KdlibError, match="The store .*runs cannot be written .*: set .KDLIB_STORE to a folder"):
        kdlib.train([tiny.run(1)])


def test_a_single_run_needs_no_list(store):
    assert list(kdlib.train(tiny.run(1), store=store)["status"]) == ["finished"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: the CUDA path cannot be tried")
def test_a_gpu_trains_the_study(study, store):
    table = train(study, store, device="cuda")
    assert set(table["status"]) == {"finished"}
    assert kdlib.record(study[0])["provenance"]["device"] == torch.cuda.get_device_name()
