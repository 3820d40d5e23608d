"""The files of a run: found again, set aside where damaged, and where they lie."""

import errno

import numpy as np
import pytest
import torch

from kdlib import KdlibError
from kdlib.places import ROOT
from kdlib.store import Store
from kdlib.store.files import dump, load_json
from kdlib.store.locks import claim
from kdlib.training.weights import digest, load_checkpoint, load_weights, save_checkpoint, save_weights

KEY = "0123456789abcdef"


def finished(key=KEY, **fields):
    return {"key": key, "status": "finished", **fields}


def weights():
    torch.manual_seed(0)
    return {"conv": torch.randn(8, 3, 3, 3).to(memory_format=torch.channels_last), "count": torch.tensor(3)}


def logits():
    return {"last_test": np.random.default_rng(0).normal(size=(20, 10)).astype("float32")}


@pytest.fixture
def whole(store):
    """A run with every file that a run can have."""
    save_weights(store, KEY, weights())
    store.save_logits(KEY, logits())
    store.save_record(finished(metrics={"ece": 0.1}))
    save_checkpoint(store, KEY, {"weights": weights()})
    return store


def test_what_is_saved_comes_back(store):
    assert store.logits(KEY) is store.record(KEY) is load_weights(store, KEY) is load_checkpoint(store, KEY) is None
    assert not store.has_weights(KEY) and not store.has_checkpoint(KEY) and store.keys() == []
    save_checkpoint(store, KEY, {"epoch": 3})
    assert store.has_checkpoint(KEY) and store.keys() == [KEY]
    save_weights(store, KEY, weights())
    store.save_logits(KEY, logits())
    store.save_record(finished(metrics={"ece": 0.1}))
    assert digest(load_weights(store, KEY)) == digest(weights())
    assert np.array_equal(store.logits(KEY)["last_test"], logits()["last_test"])
    assert store.record(KEY) == finished(metrics={"ece": 0.1})
    assert not store.has_checkpoint(KEY)  # the record is the end of it
    assert store.keys() == [KEY]
    store.remove(KEY)
    assert store.record(KEY) is None and store.keys() == []


def test_a_record_that_cannot_be_written_leaves_the_old_one(store):
    store.save_record(finished(accuracy=0.5))
    (store.root / KEY / "record.json.1.partial").write_bytes(b"half")
    with pytest.raises(ValueError):
        store.save_record(finished(accuracy=float("nan")))
    assert store.record(KEY) == finished(accuracy=0.5)
    store.save_record(finished(accuracy=0.6))
    assert [p.name for p in (store.root / KEY).iterdir()] == ["record.json"]  # what was half-written is gone


def test_keys_are_runs_and_not_locks_or_damaged_ones(store):
    store.save_record(finished("aaaa"))
    save_checkpoint(store, "bbbb", {})
    with claim(store, ["cccc"], 1):
        store.save_record(finished("dddd"))
        store.set_aside("dddd", "for a test")
        assert store.keys() == ["aaaa", "bbbb"]


# Damage --------------------------------------------------------------------------------------------------------------


def flip_a_bit(content):
    """In the middle of the weights: torch itself would read it as another weight."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "the end missing": lambda content: content[:-3],
    "zeros": lambda content: bytes(len(content)),
    "other bytes": lambda content: np.random.default_rng(5).bytes(len(content)),
    "a pickle of nothing": lambda content: b"\x80\x02h\x07.",  # torch raises KeyError
    "text": lambda content: b"\xff<html>not found</html>",
}
LOADS = {
    "record.json": Store.record,
    "weights.pt": load_weights,
    "logits.npz": Store.logits,
    "checkpoint.pt": load_checkpoint,
}
CASES = [(name, damage) for name in LOADS for damage in DAMAGES.values()]
CASES += [(name, flip_a_bit) for name in ("weights.pt", "logits.npz", "checkpoint.pt")]


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_a_damaged_file_is_set_aside_and_said(name, damage, whole, capsys):
    path = whole.path(KEY, name)
    path.write_bytes(damage(path.read_bytes()))
    assert LOADS[name](whole, KEY) is None
    said = f"Run {KEY} is damaged (its {path.stem} cannot be read): set aside as {KEY}.damaged-0, to be trained anew.\n"
    assert capsys.readouterr().out == said
    assert {p.name for p in (whole.root / f"{KEY}.damaged-0").iterdir()} == set(LOADS)
    assert whole.record(KEY) is None and whole.keys() == []


@pytest.mark.parametrize("trouble", [MemoryError(), PermissionError(errno.EACCES, "no"), OSError(errno.EMFILE, "many")])
@pytest.mark.parametrize("name", LOADS)
def test_a_file_is_not_damaged_because_the_machine_is_in_trouble(name, trouble, whole):
    def fail(path):
        raise trouble

    with pytest.raises(KdlibError, match=rf"{name} cannot be read now \(.+\): try again later"):
        whole.read(KEY, name, fail)
    assert whole.path(KEY, name).exists()


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


def test_records_on_disk_are_the_ones_in_memory(trained):
    store, (run, *_), _ = trained
    text = store.path(run.key, "record.json").read_text(encoding="utf-8")
    assert text == dump(load_json(store.path(run.key, "record.json"))) and text.endswith("}\n")


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


def test_a_given_place_is_what_a_user_means(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Store("~/x", results="~/y").root == Store("x").root == tmp_path / "x"
    assert Store("~/x", results="~/y").results == tmp_path / "y"


def test_looking_does_not_make_a_store(store):
    assert store.keys() == [] and store.record(KEY) is None and not store.has_weights(KEY)
    assert not store.root.exists()


def test_a_store_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KdlibError, match=r"cannot be written \(.+\): set \$KDLIB_STORE to a folder that can"):
        Store(tmp_path / "file").check_writable()
