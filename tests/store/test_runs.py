"""Looking after runs: what `python -m kdlib runs` lists, compares, removes and exports."""

import json

import pandas as pd
import pytest
import tiny
import torch
from typer.testing import CliRunner

import kdlib
from kdlib import KdlibError
from kdlib.__main__ import app
from kdlib.store import Store, digest, runs


@pytest.fixture
def trained(tmp_path):
    store = Store(tmp_path / "runs", results=tmp_path / "results")
    chosen = tiny.study(2)
    return store, chosen, kdlib.train([*chosen, tiny.run(1, lr=1e30)], threads=1, store=store)


def test_listing_shows_every_run_and_says_once_what_is_the_same(trained):
    store, chosen, _ = trained
    text = runs.listing(runs.select(store, []))
    assert all(run.key in text for run in chosen)
    assert f"{len(chosen) + 3} runs, all with" in text and "data tiny" in text.splitlines()[0]
    assert "0.5 cross_entropy + 0.5 kd(temperature 2)" in text
    assert runs.listing([]) == "No runs."


def test_selection_by_field_term_and_status(trained):
    store, chosen, _ = trained
    assert [r["key"] for r in runs.select(store, ["kd.temperature=2"])] == [chosen[2].key]
    assert len(runs.select(store, ["network=resnet8"])) == 2
    assert [r["status"] for r in runs.select(store, ["status=failed"])] == ["failed"]
    assert "mixing" not in runs.select(store, [])[0]  # a spec leaves out what has its default
    assert runs.select(store, ["mixing=none"]) == runs.select(store, [])
    assert not runs.select(store, ["mixing=mixup"])
    assert runs.select(store, ["network=cnn2", "kd.temperature=2", "network=resnet8", "kd.temperature=2"]) == []
    with pytest.raises(KdlibError, match="did you mean 'network'"):
        runs.select(store, ["netwrk=cnn2"])
    with pytest.raises(KdlibError, match="write NAME=VALUE"):
        runs.select(store, ["cnn2"])


def test_diff_says_why_two_runs_differ(trained):
    store, chosen, _ = trained
    text = runs.diff(store, chosen[0].key, chosen[1].key)
    assert "epochs: 2 | 3" in text and "seed: default | 1" in text and "width: default | 4" in text
    assert "network" not in text.split("data:")[0]
    with pytest.raises(KdlibError, match="0 runs have a key that begins with 'zz'"):
        runs.find(store, "zz")


def test_two_terms_of_one_name_stand_side_by_side():
    objective = [{"name": "kd", "weight": 0.1}, {"name": "kd", "weight": 0.9, "teacher": 1}]
    flat = runs.flatten({"objective": objective, "teachers": [{"epochs": 1}, {"epochs": 2}]})
    assert (flat["kd.weight"], flat["kd2.weight"], flat["kd2.teacher"]) == (0.1, 0.9, 1)
    assert (flat["teacher.epochs"], flat["teacher2.epochs"]) == (1, 2)


def test_show_is_json_without_the_long_lists(trained):
    store, chosen, _ = trained
    shown = json.loads(runs.show(store, chosen[0].key[:8]))
    assert shown["key"] == chosen[0].key and "history" not in shown and shown["last epoch"]["epoch"] == 2


def test_failed_runs_are_tried_again_only_on_request(trained):
    store, _, table = trained
    failing = tiny.run(1, lr=1e30)
    assert store.record(failing.key)["status"] == "failed"
    assert runs.retry(store, runs.select(store, ["network=cnn2", "seed=77"])) == "0 failed runs will be tried again."
    assert runs.retry(store, runs.select(store, [])) == "1 failed runs will be tried again."
    assert store.record(failing.key) is None


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (["--replace"], "--replace says what --export does"),
        (["--where", "seed=1", "--prune"], "--prune chooses its runs itself: leave out --where"),
        (["--retry", "--export"], "--retry and --export: ask for one at a time"),
    ],
)
def test_what_does_not_go_together_is_said(asked, sentence):
    error = CliRunner().invoke(app, ["runs", *asked]).exception
    assert isinstance(error, KdlibError) and sentence in str(error)


def test_prune_removes_only_what_no_run_needs(trained):
    store, chosen, _ = trained
    store.set_aside(chosen[0].key, "the test says so")
    (store.root / chosen[1].key / "weights.pt.1.partial").write_bytes(b"half")
    said = runs.prune(store)
    assert said == "Removed 1 damaged runs and 1 half-written files."
    assert store.record(chosen[0].key) is None
    assert all(store.record(run.key) for run in chosen[1:])
    assert not list(store.root.glob("*.damaged-*")) and not list(store.root.glob("*/*.partial"))


def test_export_keeps_what_is_there_unless_replaced(trained):
    store, chosen, _ = trained
    rows = runs.select(store, [])
    all_of_them = f"{len(rows) - 1} records and 0 evaluations written"  # the failed one stays behind
    assert runs.export(store, rows).startswith(all_of_them)
    teachers = {t.key for run in chosen for t in run.teachers}
    assert {p.name.split(".")[0] for p in store.results.glob("*.weights.pt")} == teachers
    record = store.results / f"{chosen[0].key}.json"
    record.write_text("{}")
    assert runs.export(store, rows).startswith("0 records and 0 evaluations written") and record.read_text() == "{}"
    assert runs.export(store, rows, replace=True).startswith(all_of_them)
    assert json.loads(record.read_text())["key"] == chosen[0].key
    assert set(pd.read_csv(store.results / "runs.csv")["key"]) == {
        row["key"] for row in rows if row["status"] != "failed"
    }


def test_a_teacher_exported_before_it_had_students_gets_its_weights_with_them(trained):
    store, chosen, _ = trained
    (teacher,) = chosen[2].teachers
    rows = {row["key"]: row for row in runs.select(store, [])}
    weights = store.results / f"{teacher.key}.weights.pt"
    alone = store.record(teacher.key)
    store.save_record(alone | {"taught_by": []})
    runs.export(store, [rows[teacher.key]])
    assert not weights.exists()
    committed = store.results / f"{teacher.key}.json"
    sound = committed.read_text()
    committed.write_text(json.dumps(json.loads(sound) | {"weights": "those of another machine"}))
    runs.export(store, list(rows.values()))
    assert not weights.exists()
    committed.write_text(sound)
    runs.export(store, list(rows.values()))
    assert digest(torch.load(weights)) == json.loads(sound)["weights"]


def test_exported_records_and_teachers_serve_another_store(trained, tmp_path):
    store, chosen, before = trained
    runs.export(store, runs.select(store, []))
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
    assert runs.export(store, runs.select(store, [])).startswith("0 records and 0 evaluations written")
    assert not (store.results / "evaluations").exists()


def test_evaluations_are_exported_with_their_members_and_serve_another_store(trained, tmp_path):
    store, chosen, _ = trained
    first, second = (kdlib.evaluation("ece", run, store) for run in chosen[:2])
    only = runs.select(store, ["seed=1"])
    assert [row["key"] for row in only] == [chosen[1].key]
    assert runs.export(store, only).startswith("1 records and 1 evaluations written")
    elsewhere = Store(tmp_path / "elsewhere", results=store.results)
    assert kdlib.evaluation("ece", chosen[1], elsewhere) == second
    said = runs.export(store, runs.select(store, []))
    assert "and 1 evaluations written" in said and said.endswith("2 kept as they were.")
    assert kdlib.evaluation("ece", chosen[0], elsewhere) == first
    assert not elsewhere.root.exists()  # all of it was read
    said = runs.export(store, only)
    assert said.startswith("0 records and 0 evaluations written") and said.endswith("3 kept as they were.")
