"""What is on disk: whole or not there, and found again."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

import kdlib
from kdlib import KdlibError
from kdlib.store import Store, digest, dump

ROOT = Path(kdlib.__file__).resolve().parents[1]
KEY = "0123456789abcdef"


def finished(key=KEY, **fields):
    return {"key": key, "status": "finished", **fields}


def weights():
    torch.manual_seed(0)
    return {"conv": torch.randn(8, 3, 3, 3).to(memory_format=torch.channels_last), "count": torch.tensor(3)}


def logits():
    return {"last_test": np.random.default_rng(0).normal(size=(20, 10)).astype("float32")}


def test_what_is_saved_comes_back(store):
    assert store.weights(KEY) is store.logits(KEY) is store.record(KEY) is store.checkpoint(KEY) is None
    assert not store.has_weights(KEY) and not store.has_checkpoint(KEY) and store.keys() == []
    store.save_checkpoint(KEY, {"epoch": 3, "weights": weights(), "best": None, "history": [{"lr": 0.1}]})
    assert store.has_checkpoint(KEY) and store.keys() == [KEY]
    state = store.checkpoint(KEY)
    assert (state["epoch"], state["best"], state["history"]) == (3, None, [{"lr": 0.1}])
    assert digest(state["weights"]) == digest(weights())
    assert state["weights"]["conv"].is_contiguous(memory_format=torch.channels_last)
    assert store.epochs_done(KEY) == 3
    store.save_outcome(KEY, weights(), logits())
    store.save_record(finished(metrics={"ece": 0.1}))
    assert digest(store.weights(KEY)) == digest(weights())
    assert np.array_equal(store.logits(KEY)["last_test"], logits()["last_test"])
    assert store.record(KEY) == finished(metrics={"ece": 0.1})
    assert not store.has_checkpoint(KEY)  # the record is the end of it
    assert store.keys() == [KEY]
    store.remove(KEY)
    assert store.record(KEY) is None and store.keys() == []


def test_a_digest_is_of_the_values_alone():
    one = weights()
    assert digest(one) == digest({name: value.contiguous().clone() for name, value in one.items()})
    assert digest(one) != digest({**one, "count": torch.tensor(4)})
    assert digest(one) != digest({"other": one["conv"], "count": one["count"]})


def test_a_record_is_strict_json():
    assert dump({"b": 1, "a": [0.1, None]}) == '{"a":[0.1,null],"b":1}\n'
    with pytest.raises(ValueError):
        dump({"a": float("nan")})


def test_keys_are_runs_and_not_locks_or_damaged_ones(store):
    store.save_record(finished("aaaa"))
    store.save_checkpoint("bbbb", {})
    with store.claim(["cccc"], 1):
        store.save_record(finished("dddd"))
        store.set_aside("dddd", "for a test")
        assert store.keys() == ["aaaa", "bbbb"]


# Damage --------------------------------------------------------------------------------------------------------------

DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "the end missing": lambda content: content[:-3],
    "zeros": lambda content: bytes(len(content)),
    "other bytes": lambda content: np.random.default_rng(5).bytes(len(content)),
    "a pickle of nothing": lambda content: b"\x80\x02h\x07.",  # torch raises KeyError
    "text": lambda content: b"\xff<html>not found</html>",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["record.json", "weights.pt", "logits.npz", "checkpoint.pt"])
def test_a_damaged_file_is_set_aside_and_said(name, damage, store, capsys):
    store.save_outcome(KEY, weights(), logits())
    store.save_record(finished())
    store.save_checkpoint(KEY, {"weights": weights()})
    path = store.root / KEY / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    what = path.stem
    assert getattr(store, what)(KEY) is None
    said = f"Run {KEY} is damaged (its {what} cannot be read): set aside as {KEY}.damaged-0, to be trained anew.\n"
    assert capsys.readouterr().out == said
    assert {p.name for p in (store.root / f"{KEY}.damaged-0").iterdir()} == {
        "record.json", "weights.pt", "logits.npz", "checkpoint.pt"}  # fmt: skip
    assert store.record(KEY) is None and store.keys() == []


@pytest.mark.parametrize("trouble", [MemoryError(), PermissionError(errno.EACCES, "no"), OSError(errno.EMFILE, "many")])
def test_a_file_is_not_damaged_because_the_machine_is_in_trouble(trouble, store, monkeypatch):
    def fail(path):
        raise trouble

    store.save_outcome(KEY, weights(), logits())
    monkeypatch.setattr("kdlib.store._load", fail)
    with pytest.raises(KdlibError, match=r"weights.pt cannot be read now \(.+\): try again later"):
        store.weights(KEY)
    assert (store.root / KEY / "weights.pt").exists()


def test_a_look_at_what_another_process_writes_judges_nothing(store, capsys):
    assert store.epochs_done(KEY) == 0
    store.save_checkpoint(KEY, {"epoch": 3})
    path = store.root / KEY / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:100])
    assert store.epochs_done(KEY) == 0
    assert path.exists() and not capsys.readouterr().out


def test_a_record_in_the_wrong_folder_is_set_aside(store, capsys):
    store.save_record(finished("other"))
    (store.root / "other").rename(store.root / KEY)
    assert store.record(KEY) is None
    assert "its record belongs to another run" in capsys.readouterr().out


def test_runs_can_be_set_aside_again_and_again(store, capsys):
    for _ in range(3):
        store.save_record(finished())
        store.set_aside(KEY, "for a test")
    (store.root / f"{KEY}.damaged-1" / "record.json").unlink()
    (store.root / f"{KEY}.damaged-1").rmdir()  # a user tidied up
    store.save_record(finished())
    store.set_aside(KEY, "for a test")
    assert sorted(p.name for p in store.root.iterdir()) == [f"{KEY}.damaged-{n}" for n in range(3)]
    store.set_aside(KEY, "though another process did it already")
    assert "though" not in capsys.readouterr().out


def test_a_failed_write_leaves_the_old_file(store):
    store.save_record(finished(accuracy=0.5))
    with pytest.raises(ValueError):
        store.save_record(finished(accuracy=float("nan")))
    assert store.record(KEY) == finished(accuracy=0.5)
    store.save_record(finished(accuracy=0.6))
    assert [p.name for p in (store.root / KEY).iterdir()] == ["record.json"]  # what was half-written is gone


# Evaluations ---------------------------------------------------------------------------------------------------------


def test_evaluations_are_no_runs_and_come_back(tmp_path):
    store = Store(tmp_path / "runs", results=tmp_path / "results")
    assert store.evaluation(KEY) is None and store.evaluation_keys() == []
    store.save_evaluation({"key": KEY, "values": {"ece": 0.1}})
    assert store.evaluation(KEY) == {"key": KEY, "values": {"ece": 0.1}}
    assert store.evaluation_keys() == [KEY] and store.keys() == []
    committed = store.results / "evaluations" / f"{KEY}.json"
    committed.parent.mkdir(parents=True)
    committed.write_text('{"values": {"ece": 0.2}}')
    assert store.keys() == []
    assert store.evaluation(KEY)["values"] == {"ece": 0.1}  # the store comes first
    (store.root / "evaluations" / f"{KEY}.json").write_text('{"values": ')
    assert store.evaluation(KEY)["values"] == {"ece": 0.2}
    committed.write_text("")
    with pytest.raises(KdlibError, match=f"{KEY}.json is damaged: bring it back with git checkout"):
        store.evaluation(KEY)


# Claims --------------------------------------------------------------------------------------------------------------


def test_claims_are_exclusive_and_bounded(store):
    with store.claim(["a", "b", "c"], 2) as mine:
        assert mine == {"a", "b"}
        with Store(store.root).claim(["a", "b", "c", "d"], 4) as theirs:
            assert theirs == {"c", "d"}
    with store.claim(["a", "b"], 2) as mine:
        assert mine == {"a", "b"}


def test_what_is_settled_is_not_claimed(store):
    store.save_record({"key": "failed", "status": "failed"})
    store.save_outcome("finished", weights(), logits())
    store.save_record(finished("finished"))
    store.save_record(finished("without weights"))
    store.save_checkpoint("half", {})
    with store.claim(["failed", "finished", "without weights", "half", "new"], 9) as mine:
        assert mine == {"without weights", "half", "new"}


def test_a_killed_processs_claims_are_free(store):
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom kdlib.store import Store\nimport os\n"
        "claim = Store().claim(['a'], 1)\nprint(claim.__enter__(), flush=True)\nsys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as p:
        assert p.stdout.readline() == "{'a'}\n"
        with store.claim(["a"], 1) as mine:
            assert mine == set()
        p.kill()
        p.wait()
    with store.claim(["a"], 1) as mine:
        assert mine == {"a"}


# Places --------------------------------------------------------------------------------------------------------------


def test_places_come_from_the_environment_or_the_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLIB_STORE", str(tmp_path / "runs"))
    monkeypatch.setenv("KDLIB_RESULTS", str(tmp_path / "results"))
    assert (Store().root, Store().results) == (tmp_path / "runs", tmp_path / "results")
    monkeypatch.setenv("KDLIB_RESULTS", "")
    assert Store().results is None
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KDLIB_STORE")
    monkeypatch.delenv("KDLIB_RESULTS")
    assert (Store().root, Store().results) == (ROOT / "runs", ROOT / "reports" / "results")


def test_outside_a_checkout_the_place_is_asked_for(tmp_path):
    """As in an installed package, which has no notebooks beside it."""
    (tmp_path / "kdlib").mkdir()
    for name in ("__init__.py", "registry.py", "store.py"):
        shutil.copy(ROOT / "kdlib" / name, tmp_path / "kdlib")
    script = "import kdlib.store\ntry: kdlib.store.Store()\nexcept kdlib.KdlibError as e: print(e)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KDLIB_")} | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("kdlib is not running from its checkout: set $KDLIB_STORE to the folder")


@pytest.fixture
def committed(tmp_path, capsys):
    """A store whose committed records are those of a trained teacher and student, and the two runs."""
    teacher = tiny.teacher()
    student = tiny.study()[2]
    made = Store(tmp_path / "made", results="")
    kdlib.train([teacher, student], threads=1, store=made)
    results = tmp_path / "results"
    results.mkdir()
    for run in (teacher, student):
        (results / f"{run.key}.json").write_text(dump(made.record(run.key)))
    torch.save(made.weights(teacher.key), results / f"{teacher.key}.weights.pt")
    capsys.readouterr()
    return Store(tmp_path / "runs", results), teacher, student, made


def test_committed_records_are_used_where_the_store_has_none(committed, capsys):
    store, teacher, student, made = committed
    table = kdlib.train([student, teacher], threads=1, store=store)
    assert capsys.readouterr().out == "2 runs measured.\n"
    assert table.equals(kdlib.train([student, teacher], threads=1, store=made))
    assert store.keys() == sorted([student.key, teacher.key])
    assert not list(store.root.iterdir())
    store.save_record({"key": student.key, "status": "failed", "reason": "for a test"})
    assert store.record(student.key)["status"] == "failed"  # the store comes first


def test_committed_weights_teach_new_students(committed):
    store, teacher, student, made = committed
    new = tiny.run(lr=0.05, objective=student.objective, teachers=[teacher])
    kdlib.train([new], threads=1, store=store)
    assert [p.name for p in store.root.iterdir() if p.is_dir()] == [new.key]
    assert store.record(new.key)["taught_by"] == {teacher.key: made.record(teacher.key)["weights"]}
    assert digest(kdlib.model(teacher, store=store).state_dict()) == made.record(teacher.key)["weights"]


def test_without_committed_results_everything_is_trained(committed, monkeypatch):
    store, _, student, _ = committed
    monkeypatch.setenv("KDLIB_RESULTS", "")
    assert Store(store.root).record(student.key) is None
    assert len(kdlib.plan([student], Store(store.root))) == 2


@pytest.mark.parametrize("name", ["{}.json", "{}.weights.pt"])
def test_damaged_committed_files_get_one_sentence(name, committed):
    store, teacher, _, _ = committed
    path = store.results / name.format(teacher.key)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(KdlibError, match=f"{path.name} is damaged: bring it back with git checkout"):
        store.weights(teacher.key), store.record(teacher.key)
    assert path.exists()


def test_records_on_disk_are_the_ones_in_memory(committed):
    _, teacher, _, made = committed
    text = (made.root / teacher.key / "record.json").read_text()
    assert text == dump(json.loads(text)) and text.endswith("}\n")
