"""Looking after a store: what is removed, tried again and exported, and what is not."""

import json

import pandas as pd
import pytest
import tiny
import torch

import kdlib
from kdlib import KdlibError
from kdlib.store import Store
from kdlib.store.files import dump, load_json
from kdlib.store.locks import lock
from kdlib.store.maintenance import export, prune, retry
from kdlib.store.queries import select
from kdlib.training.weights import digest


def test_failed_runs_are_tried_again_only_on_request(trained):
    store, _, _ = trained
    failing = tiny.run(1, lr=1e30)
    assert store.record(failing.key)["status"] == "failed"
    assert retry(store, select(store, ["network=cnn2", "seed=77"])) == "0 failed runs will be tried again."
    assert retry(store, select(store)) == "1 failed run will be tried again."
    assert store.record(failing.key) is None


def test_prune_removes_only_what_no_run_needs(trained):
    store, chosen, _ = trained
    store.set_aside(chosen[0].key, "the test says so")
    for run in chosen[1:3]:
        store.path(run.key, "weights.pt.1.partial").write_bytes(b"half")
    with lock(store, chosen[2].key):  # another process may be writing
        assert prune(store) == "Removed 1 damaged run and 1 half-written file."
    assert prune(store) == "Removed 0 damaged runs and 1 half-written file."
    assert store.record(chosen[0].key) is None
    assert all(store.record(run.key) for run in chosen[1:])
    assert not list(store.root.glob("*.damaged-*")) and not list(store.root.glob("*/*.partial"))


def test_export_keeps_what_is_there_unless_replaced(trained):
    store, chosen, _ = trained
    rows = select(store)
    all_of_them = f"{len(rows) - 1} records and 0 evaluations written"  # the failed one stays behind
    assert export(store, rows).startswith(all_of_them)
    teachers = {t.key for run in chosen for t in run.teachers}
    assert {p.name.split(".")[0] for p in store.results.glob("*.weights.pt")} == teachers
    path = store.results / f"{chosen[0].key}.json"
    older = dump(load_json(path) | {"train_accuracy": 0.25})
    path.write_text(older, encoding="utf-8")
    assert export(store, rows).startswith("0 records and 0 evaluations written")
    assert path.read_text(encoding="utf-8") == older
    assert export(store, rows, replace=True).startswith(all_of_them)
    assert load_json(path) == store.record(chosen[0].key)
    assert set(pd.read_csv(store.results / "runs.csv")["key"]) == {
        row["key"] for row in rows if row["status"] != "failed"
    }


def test_export_to_another_folder_leaves_the_committed_records(trained, tmp_path):
    store, chosen, _ = trained
    elsewhere = tmp_path / "new" / "folder"
    assert f"1 record and 0 evaluations written to {elsewhere}, 0 kept" in export(
        store, select(store, ["seed=1"]), elsewhere
    )
    assert {path.name for path in elsewhere.iterdir()} == {f"{chosen[1].key}.json", "runs.csv"}
    assert not store.results.exists()
    with pytest.raises(KdlibError, match=r"give one \(--to FOLDER\), or set \$KDLIB_RESULTS"):
        export(Store(store.root, results=""), select(store))


def test_a_teacher_exported_before_it_had_students_gets_its_weights_with_them(trained):
    store, chosen, _ = trained
    (teacher,) = chosen[2].teachers
    rows = {row["key"]: row for row in select(store)}
    weights, committed = (store.results / f"{teacher.key}.{suffix}" for suffix in ("weights.pt", "json"))
    export(store, [rows[teacher.key]])
    assert committed.exists() and not weights.exists()
    sound = load_json(committed)
    committed.write_text(json.dumps(sound | {"weights": "those of another machine"}), encoding="utf-8")
    export(store, list(rows.values()))
    assert not weights.exists()
    committed.write_text(dump(sound), encoding="utf-8")
    export(store, list(rows.values()))
    assert digest(torch.load(weights)) == sound["weights"]


def test_damaged_weights_are_not_exported(trained):
    store, chosen, _ = trained
    (teacher,) = chosen[2].teachers
    path = store.path(teacher.key, "weights.pt")
    path.write_bytes(path.read_bytes()[:-100])
    export(store, select(store))
    assert (store.results / f"{teacher.key}.json").exists()
    assert not (store.results / f"{teacher.key}.weights.pt").exists()


def test_exported_records_and_teachers_serve_another_store(trained, tmp_path):
    store, chosen, before = trained
    export(store, select(store))
    elsewhere = Store(tmp_path / "elsewhere", results=store.results)
    after = kdlib.train(chosen, store=elsewhere)
    assert after["accuracy"].tolist() == before["accuracy"].tolist()[: len(chosen)]
    assert not list(elsewhere.root.glob("*/record.json"))  # nothing was trained
    new = tiny.run(2, objective=chosen[2].objective, teachers=chosen[2].teachers, seed=5)
    assert kdlib.train([new], store=elsewhere)["status"].item() == "finished"
    assert [p.parent.name for p in elsewhere.root.glob("*/record.json")] == [new.key]  # its teacher was not


def test_digits_are_never_exported(tmp_path):
    store = Store(tmp_path / "runs", results=tmp_path / "results")
    run = kdlib.Run(data="digits", network="cnn2", epochs=1, batch_size=64)
    kdlib.train([run], threads=1, store=store)
    kdlib.evaluation("ece", run, store)
    assert export(store, select(store)).startswith("0 records and 0 evaluations written")
    assert not (store.results / "evaluations").exists()


def test_evaluations_are_exported_with_their_members_and_serve_another_store(trained, tmp_path):
    store, chosen, _ = trained
    first, second = (kdlib.evaluation("ece", run, store) for run in chosen[:2])
    only = select(store, ["seed=1"])
    assert [row["key"] for row in only] == [chosen[1].key]
    assert export(store, only).startswith("1 record and 1 evaluation written")
    elsewhere = Store(tmp_path / "elsewhere", results=store.results)
    assert kdlib.evaluation("ece", chosen[1], elsewhere) == second
    said = export(store, select(store))
    assert "and 1 evaluation written" in said and said.endswith("2 kept as they were.")
    assert kdlib.evaluation("ece", chosen[0], elsewhere) == first
    assert not elsewhere.root.exists()  # all of it was read
    said = export(store, only)
    assert said.startswith("0 records and 0 evaluations written") and said.endswith("3 kept as they were.")
