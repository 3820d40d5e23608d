"""What a record says, and the way back from it: everything computed again from what is stored."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
import torch.nn.functional as F
from torch import nn

import kdlib
from kdlib import KdlibError, Run, Term, metrics
from kdlib.store import SCHEMA, Store, tables
from kdlib.training.batches import Images
from kdlib.training.network import evaluate
from kdlib.training.records import rebuild
from kdlib.training.weights import digest, load_weights


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("records"), results="")


@pytest.fixture(scope="module")
def student():
    return tiny.study()[2]


@pytest.fixture(scope="module")
def table(student, store):
    return kdlib.train([student, tiny.run(held_out=0), tiny.run(lr=1e30)], threads=1, store=store)


@pytest.fixture(scope="module")
def record(student, store, table):
    return kdlib.record(student, store)


def test_a_record_says_what_it_is(record, student, store):
    assert set(record) == {
        "key", "schema", "spec", "versions", "status", "history", "taught_by", "data", "provenance", "train_accuracy",
        "best_epoch", "weights", "metrics", "reliability", "confusion", "bootstrap",
    }  # fmt: skip
    assert Run.from_spec(record["spec"]) == student and record["key"] == student.key
    assert (record["schema"], record["status"], record["versions"]) == (SCHEMA, "finished", {})
    assert record["weights"] == digest(load_weights(store, student.key))
    (teacher,) = student.teachers
    assert record["taught_by"] == {teacher.key: digest(load_weights(store, teacher.key))}
    images = Images(student)
    classes = {"class_counts": images.class_counts.tolist(), "class_names": images.class_names}
    counts = {"train": 160, "held_out": 40, "test": 100}
    assert record["data"] == {"fingerprint": images.fingerprint, **classes, **counts}
    assert [e["epoch"] for e in record["history"]] == [1, 2, 3]
    assert record["train_accuracy"] == record["history"][-1]["train_accuracy"]
    assert len(json.dumps(record)) < 60_000


def test_provenance_says_where_it_was_made(record):
    made = record["provenance"]
    assert set(made) == {
        "git", "dirty", "python", "torch", "torchvision", "numpy", "platform", "cpu", "device", "threads_per_run",
        "seconds", "finished",
    }  # fmt: skip
    assert made["torch"] == torch.__version__.partition("+")[0] or made["torch"] == torch.__version__
    assert made["numpy"] == np.__version__
    assert (made["device"], made["threads_per_run"]) == ("cpu", 1)
    assert made["seconds"] >= 0
    assert made["git"] is None or (len(made["git"]) == 40 and made["dirty"] in (True, False))
    assert pd.Timestamp(made["finished"]).tzinfo is not None


def by_hand(logits, labels):
    """Accuracy, ECE, NLL and Brier score in plain numpy."""
    z = logits.astype("float64")
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    confidence, right = p.max(1), p.argmax(1) == labels
    gaps = 0.0
    for i in range(15):
        lo, hi = i / 15, (i + 1) / 15
        inside = (confidence > lo) & (confidence <= hi) | ((i == 0) & (confidence == 0))
        if inside.any():
            gaps += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return {
        "accuracy": right.mean(),
        "ece": gaps,
        "nll": -np.log(p[np.arange(len(labels)), labels]).mean(),
        "brier": ((p - np.eye(10)[labels]) ** 2).sum(1).mean(),
    }


@pytest.mark.parametrize("moment", ["last", "best"])
def test_metrics_are_those_of_the_stored_logits(moment, record, student, store):
    kept = store.logits(student.key)
    images = Images(student)
    said = record["metrics"][moment]
    test, held_out = kept[f"{moment}_test"], kept[f"{moment}_held_out"]
    temperature = said["temperature"]
    expected = {
        "raw": by_hand(test, images.test_labels.numpy()),
        "scaled": by_hand(test.astype("float64") / temperature, images.test_labels.numpy()),
        "held_out": by_hand(held_out, images.held_out_labels.numpy()),
    }
    for kind, values in expected.items():
        assert {name: said[kind][name] for name in values} == pytest.approx(values)
    assert temperature == metrics.fit_temperature(torch.from_numpy(held_out), images.held_out_labels)


def test_history_and_metrics_agree(record):
    last, best = record["history"][-1], record["history"][record["best_epoch"] - 1]
    for entry, moment in ((last, "last"), (best, "best")):
        held_out = record["metrics"][moment]["held_out"]
        assert entry["held_out_accuracy"] == held_out["accuracy"]
        assert entry["held_out_nll"] == pytest.approx(held_out["nll"])
    ranks = [(e["held_out_accuracy"], -e["held_out_nll"]) for e in record["history"]]
    assert ranks.index(max(ranks)) + 1 == record["best_epoch"]


def test_confusion_and_reliability_add_up(record, student, store):
    labels = Images(student).test_labels
    predicted = torch.from_numpy(store.logits(student.key)["last_test"]).argmax(1)
    confusion = np.array(record["confusion"])
    assert confusion.shape == (10, 10)
    for true, guess in zip(labels.tolist(), predicted.tolist(), strict=True):
        confusion[true, guess] -= 1
    assert (confusion == 0).all()
    bins = record["reliability"]
    assert sum(bins["counts"]) == 100 and len(bins["counts"]) == 15
    gaps = [n * abs(c - a) for n, c, a in zip(bins["counts"], bins["confidence"], bins["accuracy"], strict=True) if n]
    assert sum(gaps) / 100 == pytest.approx(record["metrics"]["last"]["raw"]["ece"])
    empty = [(c, a) for n, c, a in zip(bins["counts"], bins["confidence"], bins["accuracy"], strict=True) if not n]
    assert set(empty) == {(None, None)}


def test_without_held_out_images_there_is_no_temperature(table, store):
    record = kdlib.record(table["key"][1], store)
    assert set(record["metrics"]) == {"last"} and set(record["metrics"]["last"]) == {"raw"}
    assert record["best_epoch"] is None
    assert math.isnan(table["fitted_temperature"][1]) and math.isnan(table["scaled_ece"][1])


def test_a_table_has_a_row_a_run_in_the_order_asked(table, record, student):
    assert list(table["status"]) == ["finished", "finished", "failed"]
    row = table.iloc[0]
    assert [row[name] for name in ("key", "data", "network", "epochs", "seed")] == [student.key, "tiny", "cnn2", 3, 0]
    for prefix, values in (("", record["metrics"]["last"]["raw"]), ("scaled_", record["metrics"]["last"]["scaled"]),
                           ("held_out_", record["metrics"]["last"]["held_out"]),
                           ("best_", record["metrics"]["best"]["raw"])):  # fmt: skip
        assert {name: row[prefix + name] for name in values} == values
    assert row["fitted_temperature"] == record["metrics"]["last"]["temperature"]
    assert row["best_epoch"] == record["best_epoch"]
    assert table[["accuracy", "ece", "best_accuracy"]].iloc[2].isna().all()
    assert "became" in table["reason"][2] or "not finite" in table["reason"][2]


def test_a_table_of_nothing_measured_has_the_same_columns(table, student):
    empty = tables.table([student, student], {})
    assert list(empty["status"]) == ["not measured"] * 2
    assert set(empty.columns) == set(table.columns)


def test_logits_that_end_not_finite_fail_the_run(store, monkeypatch):
    """Without held-out images nobody looks before the end."""
    monkeypatch.setattr(Images, "steps", lambda self: 1)
    run = tiny.run(1, held_out=0, lr=1e38, weight_decay=1e30)
    table = kdlib.train([run, tiny.run(1, held_out=0)], threads=1, store=store)
    assert list(table["status"]) == ["failed", "finished"]
    assert table["reason"][0] == "the logits at the end were not finite"
    assert load_weights(store, run.key) is None


def test_the_version_of_a_technique_is_in_the_record(store):
    kdlib.terms.add("kd", kdlib.terms["kd"].target, 2, **kdlib.terms["kd"].options)
    run = tiny.run(1, objective=[Term("kd")], teachers=[tiny.teacher()])
    kdlib.train([run], threads=1, store=store)
    assert kdlib.record(run, store)["versions"] == {"loss term kd": 2}


# The way back --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["run", "key"])
def test_a_row_leads_back_to_its_network_and_logits(by, table, record, student, store):
    one = student if by == "run" else table["key"][0]
    model = kdlib.model(one, store=store)
    assert not model.training
    images = Images(student)
    for split in ("test", "held_out"):
        logits, labels = kdlib.logits(one, split=split, store=store)
        expected = evaluate(model, images, getattr(images, split), student)
        torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
        assert labels.equal(getattr(images, f"{split}_labels"))
    logits, labels = kdlib.logits(one, store=store)
    assert (logits.argmax(1) == labels).double().mean().item() == pytest.approx(
        record["metrics"]["last"]["raw"]["accuracy"]
    )
    best, _ = kdlib.logits(one, "best", store=store)
    assert F.cross_entropy(best.double(), labels).item() == pytest.approx(record["metrics"]["best"]["raw"]["nll"])


def test_a_network_comes_back_without_its_images(student, table, store, monkeypatch):
    monkeypatch.setattr("kdlib.data.load", None)
    assert digest(kdlib.model(student, store=store).state_dict()) == kdlib.record(student, store)["weights"]


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda s: kdlib.model(tiny.run(9), store=s), "has no weights .*: train it with kdlib.train"),
        (lambda s: kdlib.logits(tiny.run(9), store=s), "has no logits .*: train it with kdlib.train"),
        (lambda s: kdlib.record(tiny.run(9), s), "has no record: train it with kdlib.train"),
        (lambda s: kdlib.model("0123456789abcdef", s), "Run 0123456789abcdef has no record"),
        (lambda s: kdlib.logits(tiny.study()[2], "frist", store=s), "has no logits 'frist_test': it has best_held_out"),
        (lambda s: kdlib.logits(tiny.run(held_out=0), "best", store=s), "has no logits 'best_test': it has last"),
    ],
)
def test_what_is_not_there_gets_one_sentence(ask, sentence, table, store):
    with pytest.raises(KdlibError, match=sentence):
        ask(store)


def test_a_loss_and_a_network_of_ones_own_can_be_used_at_once(store):
    @kdlib.networks.register("perceptron")
    class Perceptron(nn.Module):
        """One hidden layer."""

        def __init__(self, num_classes, channels, image_size, width=None):
            super().__init__()
            self.hidden = nn.Linear(channels * image_size**2, width or 32)
            self.out = nn.Linear(width or 32, num_classes)

        def forward(self, x, features=False):
            pooled = F.relu(self.hidden(x.flatten(1)))
            logits = self.out(pooled)
            return (logits, [pooled[..., None, None]], pooled) if features else logits

    @kdlib.terms.register("squares", teacher=True)
    def squares(batch, student, teacher, *, strength=1.0):
        """Mean squared error of the logits (Ba & Caruana 2014)."""
        return strength * F.mse_loss(student.logits, teacher.logits)

    teacher = Run(data="digits", network="cnn2", epochs=2)
    student = Run(
        data="digits", network="perceptron", epochs=3, width=16, batch_size=64, lr=0.05, teachers=[teacher],
        objective=[Term("cross_entropy", 0.5), Term("squares", 0.1, strength=2)],
    )  # fmt: skip
    table = kdlib.train([student], threads=1, store=store)
    assert table["status"][0] == "finished"
    assert table["accuracy"][0] > 0.6
    assert isinstance(kdlib.model(student, store=store), Perceptron)
    assert len(kdlib.logits(student, store=store)[0]) == 540
    assert set(kdlib.record(student, store)["versions"]) == {"network perceptron", "loss term squares"}
    terms = kdlib.record(student, store)["history"][-1]["terms"]
    assert len(terms) == 2 and all(value > 0 for value in terms)


def test_a_record_of_an_older_schema_is_measured_anew_from_its_logits(record, student, store):
    older = {name: value for name, value in record.items() if name not in ("bootstrap", "versions")}
    older |= {"schema": 1, "metrics": {"last": {"raw": {"accuracy": 0.0}}}}
    store.save_record(older)
    table = kdlib.train([student], store=store)
    assert store.record(student.key) == record
    assert table["accuracy"].item() == record["metrics"]["last"]["raw"]["accuracy"] > 0


def test_an_older_record_without_logits_is_shown_with_its_gaps(record, student, store):
    older = {name: value for name, value in record.items() if name != "bootstrap"} | {"schema": 1}
    older["metrics"] = {"last": {"raw": {"accuracy": 0.5}}}
    logits = store.root / student.key / "logits.npz"
    kept = logits.rename(logits.with_suffix(".kept"))
    store.save_record(older)
    row = kdlib.train([student], store=store).iloc[0]
    assert row["accuracy"] == 0.5 and math.isnan(row["ece"]) and row["status"] == "finished"
    kept.rename(logits)
    store.save_record(record)


def test_no_record_is_made_of_committed_logits(record, student, store, tmp_path):
    """They are rounded, and not those of the best epoch."""
    older = {name: value for name, value in record.items() if name != "bootstrap"} | {"schema": 1}
    (tmp_path / f"{student.key}.json").write_text(json.dumps(older))
    rounded = {name: a.astype("float16") for name, a in store.logits(student.key).items() if name.startswith("last")}
    np.savez_compressed(tmp_path / f"{student.key}.logits.npz", **rounded)
    reader = Store(tmp_path / "nothing", results=tmp_path)
    assert set(reader.logits(student.key)) == {"last_test", "last_held_out"}
    assert rebuild(reader, student.key) == older
    assert not reader.root.exists()


def test_noise_floor_and_brier_parts_stand_beside_the_figures(record):
    raw = record["metrics"]["last"]["raw"]
    assert set(raw) == set(tables.METRICS)
    assert 0 < raw["ece_floor"] < raw["ece_floor_95"]
    parts = raw["miscalibration"] - raw["discrimination"] + raw["uncertainty"]
    assert raw["brier"] == pytest.approx(parts, abs=1e-12)
    assert {len(values) for values in record["bootstrap"].values()} == {500}
