"""Runs are found by what they are."""

import pytest
import tiny

import kdlib
from kdlib import KdlibError
from kdlib.store.queries import find, flatten, select


def test_selection_by_field_term_and_status(trained):
    store, chosen, _ = trained
    assert [r["key"] for r in select(store, ["kd.temperature=2"])] == [chosen[2].key]
    assert len(select(store, ["network=resnet8"])) == 2
    assert [r["status"] for r in select(store, ["status=failed"])] == ["failed"]
    assert "mixing" not in select(store)[0]  # a spec leaves out what has its default
    assert select(store, ["mixing=none"]) == select(store)
    assert not select(store, ["mixing=mixup"])
    assert select(store, ["network=cnn2", "kd.temperature=2", "network=resnet8", "kd.temperature=2"]) == []


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("netwrk=cnn2", "did you mean 'network'"),
        ("cnn2", "write NAME=VALUE"),
        ("status=done", "Unknown status 'done': Known: finished, failed, training."),
        ("teacher.network=resnet9", "did you mean 'resnet8'"),
        ("mixing=mixupp", "did you mean 'mixup'"),
        ("precision=fp16", "Known: fp32, bf16"),
    ],
)
def test_a_condition_that_no_run_can_meet_is_said(condition, sentence, trained):
    with pytest.raises(KdlibError) as error:
        select(trained[0], [condition])
    assert sentence in str(error.value)


def test_what_another_process_registered_can_be_asked_for(trained, monkeypatch):
    store, chosen, _ = trained
    entries = {name: entry for name, entry in kdlib.networks._entries.items() if name != "resnet8"}
    monkeypatch.setattr(kdlib.networks, "_entries", entries)
    assert len(select(store, ["network=resnet8"])) == 2


def test_an_empty_store_has_no_runs_of_any_kind(store):
    assert select(store, ["kd.temperature=2"]) == []


def test_a_key_is_found_by_its_beginning(trained):
    store, chosen, _ = trained
    assert find(store, chosen[0].key[:8]) == chosen[0].key
    with pytest.raises(KdlibError, match="0 runs have a key that begins with 'zz'"):
        find(store, "zz")


def test_two_terms_of_one_name_stand_side_by_side():
    objective = [{"name": "kd", "weight": 0.1}, {"name": "kd", "weight": 0.9, "teacher": 1}]
    flat = flatten({"objective": objective, "teachers": [{"epochs": 1}, {"epochs": 2}]})
    assert (flat["kd.weight"], flat["kd2.weight"], flat["kd2.teacher"]) == (0.1, 0.9, 1)
    assert (flat["teacher.epochs"], flat["teacher2.epochs"]) == (1, 2)


def test_a_run_in_training_has_a_status(store):
    (store.root / tiny.run().key).mkdir(parents=True)
    assert select(store, ["status=training"]) == [{"key": tiny.run().key, "status": "training"}]
