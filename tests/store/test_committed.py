"""Records that came with the checkout: read where the store has none, and every key what its spec says."""

import json

import numpy as np
import pytest
import tiny

import kdlib
from kdlib import KdlibError, Run
from kdlib.places import ROOT
from kdlib.store import Store
from kdlib.store.files import dump, load_json
from kdlib.training.weights import digest, load_weights

RESULTS = ROOT / "reports" / "results"


def test_every_committed_record_has_the_key_that_its_spec_says():
    paths = sorted(RESULTS.glob("*.json"))
    assert len(paths) > 500
    for path in paths:
        record = json.loads(path.read_bytes())
        assert Run.from_spec(record["spec"]).key == record["key"] == path.stem, path.name


def test_every_committed_teacher_has_the_weights_of_its_record():
    store = Store(RESULTS / "nothing", RESULTS)
    keys = [path.name.split(".")[0] for path in sorted(RESULTS.glob("*.weights.pt"))]
    assert len(keys) > 10
    for key in keys:
        assert digest(load_weights(store, key)) == store.record(key)["weights"], key


def test_committed_logits_are_those_of_their_record():
    """As often said to be each class as the record's confusion matrix has it; float16 moves a few images that hardly
    preferred one class to another."""
    paths = sorted(RESULTS.glob("*.logits.npz"))
    assert len(paths) > 10 and sum(path.stat().st_size for path in paths) < 10_000_000
    store = Store(RESULTS / "nothing", RESULTS)
    for path in paths:
        key = path.name.split(".")[0]
        record, logits = store.record(key), store.logits(key)
        assert {str(array.dtype) for array in logits.values()} == {"float16"}, key
        assert [len(logits[f"last_{split}"]) for split in ("held_out", "test")] == [
            record["data"]["held_out"], record["data"]["test"]
        ], key  # fmt: skip
        said, confusion = logits["last_test"].argmax(1), np.array(record["confusion"])
        assert np.abs(np.bincount(said, minlength=len(confusion)) - confusion.sum(0)).max() <= 0.002 * len(said), key


@pytest.fixture
def committed(tmp_path, capsys):
    """A store whose committed records are those of a trained teacher and student, and the two runs."""
    teacher, student = tiny.teacher(), tiny.study()[2]
    made = Store(tmp_path / "made", results="")
    kdlib.train([teacher, student], threads=1, store=made)
    results = tmp_path / "results"
    results.mkdir()
    for run in (teacher, student):
        (results / f"{run.key}.json").write_text(dump(made.record(run.key)), encoding="utf-8")
    (results / f"{teacher.key}.weights.pt").write_bytes(made.path(teacher.key, "weights.pt").read_bytes())
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
        load_weights(store, teacher.key), store.record(teacher.key)
    assert path.exists()


def test_a_committed_record_under_another_runs_name_is_damaged(committed):
    store, teacher, student, _ = committed
    record = load_json(store.results / f"{teacher.key}.json")
    (store.results / f"{student.key}.json").write_text(dump(record), encoding="utf-8")
    with pytest.raises(KdlibError, match=f"{student.key}.json is damaged"):
        store.record(student.key)
