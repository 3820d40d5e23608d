"""Evaluations are kept beside the runs, and are no runs."""

import pytest

from kdlib import KdlibError
from kdlib.store import Store, evaluations

KEY = "0123456789abcdef"


def test_evaluations_are_no_runs_and_come_back(tmp_path):
    store = Store(tmp_path / "runs", results=tmp_path / "results")
    assert evaluations.load(store, KEY) is None and evaluations.keys(store) == []
    evaluations.save(store, {"key": KEY, "values": {"ece": 0.1}})
    assert evaluations.load(store, KEY) == {"key": KEY, "values": {"ece": 0.1}}
    assert evaluations.keys(store) == [KEY] and store.keys() == []


def test_a_damaged_one_is_as_good_as_none(tmp_path):
    store = Store(tmp_path / "runs", results=tmp_path / "results")
    evaluations.save(store, {"key": KEY, "values": {"ece": 0.1}})
    committed = store.results / "evaluations" / f"{KEY}.json"
    committed.parent.mkdir(parents=True)
    committed.write_text('{"values": {"ece": 0.2}}', encoding="utf-8")
    assert store.keys() == []
    assert evaluations.load(store, KEY)["values"] == {"ece": 0.1}  # the store comes first
    (store.root / "evaluations" / f"{KEY}.json").write_text('{"values": ', encoding="utf-8")
    assert evaluations.load(store, KEY)["values"] == {"ece": 0.2}
    committed.write_text("", encoding="utf-8")
    with pytest.raises(KdlibError, match=f"{KEY}.json is damaged: bring it back with git checkout"):
        evaluations.load(store, KEY)
