"""What is measured on finished runs: once, kept, and equal to what other code makes of the same logits."""

import math
from importlib.metadata import version

import numpy as np
import pytest
import tiny
import torch

import kdlib
from kdlib import KdlibError, draws, lookup, metrics
from kdlib.evaluate import (
    HeldOut,
    attempt,
    batch_ece,
    ece,
    evaluation_key,
    evaluations,
    prior_removed,
    prior_temperature,
    thirds,
)
from kdlib.registry import Registry
from kdlib.store import Store, dump
from kdlib.store import evaluations as kept

# Four images, of the first class by their labels, said to be it with these chances: one of them is wrong.
CHANCES = torch.tensor([0.9, 0.8, 0.6, 0.4], dtype=torch.float64)
LOGITS = torch.stack([CHANCES, 1 - CHANCES], 1).log()
LABELS = torch.zeros(4, dtype=torch.int64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("evaluated"), results="")
    runs = [tiny.run(1), tiny.run(1, seed=1)]
    kdlib.train([*runs, tiny.run(1, lr=1e30)], threads=1, store=store)
    return store, runs


@pytest.fixture
def registered():
    """An evaluation of any number of members, in their order."""

    @evaluations.register("agreement", version=1)
    def agreement(members, labels, *, of=0):
        first, last = members[of].argmax(1), members[-1].argmax(1)
        return {"agree": (first == last).double().mean(), "right": (first == labels).double().mean()}


def test_thirds_by_hand():
    """Four classes, head 0, middle 1 and 2, tail 3; two images of the head and one of each other, all said to be 0."""
    logits = torch.tensor([[0.7, 0.1, 0.1, 0.1]], dtype=torch.float64).log().repeat(5, 1)
    found = thirds([logits], torch.tensor([0, 1, 2, 0, 3]))
    assert found == {f"{third}_confidence": pytest.approx(0.7) for third in ("head", "middle", "tail")} | {
        "head_accuracy": 1, "middle_accuracy": 0, "tail_accuracy": 0}  # fmt: skip


# Keys ----------------------------------------------------------------------------------------------------------------


def test_a_key_never_changes():
    """The digest of {"evaluation":"ece","members":["a"],"params":{}} by coreutils' sha256sum."""
    assert evaluation_key("ece", ["a"]) == "b4d956e7f85f3e23"


def test_a_key_says_what_is_measured_on_which_runs():
    key = evaluation_key("ece", ["a", "b"])
    assert key == evaluation_key("ece", ("a", "b"), bins=100) == evaluation_key("ece", ["a", "b"], bins=np.float64(100))
    others = [("ece", ["b", "a"], {}), ("ece", ["a"], {}), ("batch_ece", ["a", "b"], {}), ("ece", ["ab"], {}),
              ("ece", ["a", "b"], {"bins": 15}), ("batch_ece", ["a", "b"], {"bins": 20}),
              ("batch_ece", ["a", "b"], {"batch_size": 20})]  # fmt: skip
    assert len({key, *(evaluation_key(name, members, **params) for name, members, params in others)}) == 8


def test_a_new_version_is_a_new_evaluation(registered):
    before = evaluation_key("ece", ["a"]), evaluation_key("batch_ece", ["a"])
    evaluations.add("ece", ece, version=2, members=1)
    after = evaluation_key("ece", ["a"]), evaluation_key("batch_ece", ["a"])
    assert after[0] != before[0] and after[1] == before[1]


# Values --------------------------------------------------------------------------------------------------------------


def test_ece_by_hand():
    """Two bins: (0, .5] has no confidence; in (.5, 1] the confidences .9, .8, .6, .6 are right but for the last."""
    found = ece([LOGITS], LABELS, bins=2)
    assert found["ece"] == pytest.approx(abs(2.9 / 4 - 3 / 4))
    ten = ece([LOGITS], LABELS, bins=10)  # .6 is the upper end of a bin: both of them fall into it
    assert ten["ece"] == pytest.approx((0.1 + 0.2 + abs(1.2 - 1)) / 4)


def test_the_batches_mean_by_hand():
    """In batches of one image, the ECE is the mean |confidence - right| over the images, and a calibrated network's
    expectation of it is the mean of 2 c (1 - c)."""
    found = batch_ece([LOGITS], LABELS, batch_size=1)
    assert found["ece"] == pytest.approx((0.1 + 0.2 + 0.4 + 0.6) / 4)
    assert found["ece_floor"] == pytest.approx((0.18 + 0.32 + 0.48 + 0.48) / 4, abs=0.03)


def test_batches_come_in_one_fixed_order_and_count_alike():
    order = draws.permutation(4, "batch_ece").tolist()
    assert order == [3, 1, 2, 0]
    confidence, right = np.array([0.9, 0.8, 0.6, 0.6])[order], np.array([1, 1, 1, 0])[order]
    one_bin = [abs((confidence[part] - right[part]).mean()) for part in (slice(0, 3), slice(3, 4))]
    assert batch_ece([LOGITS], LABELS, batch_size=3, bins=1)["ece"] == pytest.approx(sum(one_bin) / 2)


def test_one_batch_of_all_is_the_whole_set():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(300, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(5, (300,), generator=generator)
    whole, batch = ece([logits], labels, bins=15), batch_ece([logits], labels, batch_size=300)
    assert batch == pytest.approx({"ece": whole["ece"], "ece_floor": whole["ece_floor"]})
    assert whole["ece_floor"] < whole["ece_floor_95"] < whole["ece"]


def test_a_calibrated_networks_batches_score_their_floor():
    """Labels drawn from the very probabilities: over the draws, the mean of the batches' ECE is the floor."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(1000, 10, generator=generator, dtype=torch.float64)
    drawn = torch.multinomial(logits.softmax(1), 40, replacement=True, generator=generator)
    found = [batch_ece([logits], labels) for labels in drawn.T]
    eces, floors = ([one[name] for one in found] for name in ("ece", "ece_floor"))
    assert len(set(floors)) == 1  # it depends on the confidences alone
    assert np.mean(eces) == pytest.approx(floors[0], abs=4 * np.std(eces) / math.sqrt(40))
    assert floors[0] > 2 * ece([logits], drawn[:, 0], bins=15)["ece_floor"]


def test_what_is_measured_is_the_runs_test_logits(trained):
    store, (run, _) = trained
    logits, labels = lookup.logits(run, store=store)
    confidence, predicted = logits.double().softmax(1).max(1)
    right = (predicted == labels).double()
    edges = [(low / 100, (low + 1) / 100) for low in range(100)]
    gaps = [(confidence - right)[(low < confidence) & (confidence <= high)].sum().abs().item() for low, high in edges]
    assert kdlib.evaluation("ece", run, store)["ece"] == pytest.approx(sum(gaps) / len(labels))
    assert (
        kdlib.evaluation("ece", [run], store, bins=15)["ece"] == store.record(run.key)["metrics"]["last"]["raw"]["ece"]
    )


# What held-out images add ---------------------------------------------------------------------------------------------


def drawn(count, classes, seed):
    """Logits that are calibrated, and labels."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)


def test_a_network_that_is_right_but_for_its_prior_is_right_without_it():
    """What balanced images say, plus log n_c, is what a network learns of a long tail."""
    counts = torch.tensor([400, 40, 4])
    (test, labels), (unseen, held_out_labels) = drawn(3000, 3, seed=0), drawn(3000, 3, seed=1)
    learned, also = test + counts.double().log(), unseen + counts.double().log()
    found = prior_removed([learned], labels, [HeldOut(also, held_out_labels, counts)])
    assert found["accuracy"] == (test.argmax(1) == labels).double().mean().item()
    assert found["nll"] == pytest.approx(metrics.nll(test, labels), rel=1e-9)
    assert found["ece"] < 2 * found["ece_floor"] < 0.2 * metrics.ece(learned.softmax(1), labels)
    assert found["temperature"] == pytest.approx(1, abs=0.1) and found["scaled_ece"] < 2 * found["ece_floor"]
    for number, third in enumerate(("head", "middle", "tail")):
        right = (test.argmax(1) == labels)[labels == number].double().mean().item()
        assert found[f"{third}_accuracy"] == pytest.approx(right)


def test_held_out_images_of_the_training_prior_by_hand():
    """Two of each of two classes, all said to be the first with logits (2, 0), nine training images to one: the NLL is
    least where the softmax of 2 / T is .9, T = 2 / log 9. Balanced, no T is better than the highest."""
    same = torch.tensor([[2.0, 0.0]], dtype=torch.float64).repeat(4, 1)
    labels = torch.tensor([0, 0, 1, 1])
    found = prior_temperature([same], labels, [HeldOut(same, labels, torch.tensor([90, 10]))])
    assert found["temperature"] == pytest.approx(2 / math.log(9), rel=1e-9)
    assert found["ece"] == pytest.approx(0.9 - 0.5) and found["nll"] == pytest.approx(-math.log(0.9 * 0.1) / 2)
    assert found["balanced_temperature"] == 100.0
    assert found["balanced_ece"] == pytest.approx(1 / (1 + math.exp(-0.02)) - 0.5)
    assert found["balanced_nll"] == pytest.approx(math.log(2), abs=1e-4)


def test_held_out_images_that_are_not_balanced_count_as_the_training_images_do():
    """Three held-out images of the first class and one of the second: of nine to one, still."""
    same = torch.tensor([[2.0, 0.0]], dtype=torch.float64).repeat(4, 1)
    kept_out = HeldOut(same, torch.tensor([0, 0, 0, 1]), torch.tensor([90, 10]))
    found = prior_temperature([same], torch.tensor([0, 0, 1, 1]), [kept_out])
    assert found["temperature"] == pytest.approx(2 / math.log(9), rel=1e-9)
    assert found["balanced_temperature"] == pytest.approx(2 / math.log(3), rel=1e-9)


def test_what_is_measured_are_the_runs_own_held_out_logits(trained):
    store, (run, _) = trained
    record = store.record(run.key)
    found = kdlib.evaluation("prior_temperature", run, store)
    scaled = record["metrics"]["last"]["scaled"]
    assert found["balanced_temperature"] == record["metrics"]["last"]["temperature"]
    assert [found["balanced_ece"], found["balanced_nll"]] == pytest.approx([scaled["ece"], scaled["nll"]])
    test, labels = kdlib.logits(run, store=store)
    adjusted = test.double() - torch.tensor(record["data"]["class_counts"]).double().log()
    accuracy = (adjusted.argmax(1) == labels).double().mean().item()
    assert kdlib.evaluation("prior_removed", run, store)["accuracy"] == accuracy


# Records -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(trained, tmp_path):
    """A store with the two runs, which a test may damage."""
    made, runs = trained
    store = Store(tmp_path / "runs", results=tmp_path / "results")
    for run in runs:
        store.save_logits(run.key, made.logits(run.key))
        store.save_record(made.record(run.key))
    return store, runs


def test_a_record_says_what_was_measured_and_where(copied):
    store, (run, _) = copied
    values = kdlib.evaluation("batch_ece", run.key, store, bins=20.0, batch_size=128)
    key = evaluation_key("batch_ece", [run.key], bins=20)
    assert kept.keys(store) == [key]
    record = kept.load(store, key)
    assert record["values"] == values and set(values) == {"ece", "ece_floor"}
    assert record["spec"] == {"evaluation": "batch_ece", "params": {"bins": 20}}
    assert (record["key"], record["schema"], record["version"], record["members"]) == (key, 1, 1, [run.key])
    assert record["weights"] == [store.record(run.key)["weights"]]
    assert record["provenance"]["torch"] == version("torch") and "finished" in record["provenance"]


def test_measured_once(copied):
    store, (run, _) = copied
    before = kdlib.evaluation("ece", run, store)
    (store.root / run.key / "logits.npz").unlink()
    assert kdlib.evaluation("ece", run, store, bins=100) == before
    with pytest.raises(KdlibError, match=r"'ece' has no record, and run .* no logits .*: point \$KDLIB_STORE"):
        kdlib.evaluation("ece", run, store, bins=15)


def test_what_a_reader_cannot_measure_is_a_gap(copied, capsys):
    store, (run, _) = copied
    before = attempt("ece", run, store)
    assert before == kdlib.evaluation("ece", run, store)
    (store.root / run.key / "logits.npz").unlink()
    assert attempt("ece", run, store) == before
    gaps = attempt("ece", run, store, bins=15)
    assert set(gaps) == set(before) and all(map(math.isnan, gaps.values()))
    assert "point $KDLIB_STORE to the store" in capsys.readouterr().out
    with pytest.raises(KdlibError, match="Unknown evaluation"):
        attempt("eec", run, store)


def test_a_damaged_record_is_measured_again(copied):
    store, (run, _) = copied
    before = kdlib.evaluation("ece", run, store)
    path = store.root / "evaluations" / f"{evaluation_key('ece', [run.key])}.json"
    path.write_bytes(path.read_bytes()[:50])
    assert kdlib.evaluation("ece", run, store) == before
    assert kept.load(store, path.stem)["values"] == before


def test_committed_records_serve_whoever_has_no_logits(copied, tmp_path):
    store, (run, _) = copied
    values = kdlib.evaluation("ece", run, store)
    (record,) = (kept.load(store, key) for key in kept.keys(store))
    (store.results / "evaluations").mkdir(parents=True)
    (store.results / "evaluations" / f"{record['key']}.json").write_text(dump(record))
    (store.results / f"{run.key}.json").write_text(dump(store.record(run.key)))
    reader = Store(tmp_path / "nothing", store.results)
    assert kdlib.evaluation("ece", run, reader) == values
    assert not reader.root.exists()


@pytest.fixture
def reader(copied, tmp_path):
    """A store without runs, beside committed records of the two."""
    store, runs = copied
    store.results.mkdir()
    for run in runs:
        (store.results / f"{run.key}.json").write_text(dump(store.record(run.key)))
    return Store(tmp_path / "nothing", store.results)


def test_committed_logits_serve_whoever_has_no_runs(copied, reader):
    store, (run, _) = copied
    rounded = {name: a.astype("float16") for name, a in store.logits(run.key).items() if name.startswith("last")}
    np.savez_compressed(reader.results / f"{run.key}.logits.npz", **rounded)
    for name in ("ece", "prior_removed", "prior_temperature"):
        there, here = (kdlib.evaluation(name, run, place) for place in (store, reader))
        assert there == pytest.approx(here, abs=2e-3)
        records = [kept.load(place, evaluation_key(name, [run.key])) for place in (store, reader)]
        assert [record["logits"] for record in records] == [["float32"], ["float16"]]
    logits, _ = kdlib.logits(run, split="held_out", store=reader)
    assert logits.dtype == torch.float32 and logits.half().numpy().tobytes() == rounded["last_held_out"].tobytes()
    with pytest.raises(KdlibError, match="no logits 'best_test': it has last_held_out, last_test"):
        kdlib.logits(run, "best", store=reader)


def test_committed_weights_serve_whoever_has_no_logits(trained, reader):
    """The network says again what it said at the end of its training."""
    made, (run, other) = trained
    (reader.results / f"{run.key}.weights.pt").write_bytes(made.path(run.key, "weights.pt").read_bytes())
    for name in ("ece", "prior_removed", "prior_temperature"):
        assert kdlib.evaluation(name, run, reader) == pytest.approx(kdlib.evaluation(name, run, made), rel=1e-4)
    for split in ("test", "held_out"):
        (again, labels), (before, same) = (kdlib.logits(run, split=split, store=s) for s in (reader, made))
        torch.testing.assert_close(again, before, rtol=1e-5, atol=1e-5)
        assert labels.equal(same)
    assert not reader.path(run.key, "logits.npz").exists()  # what was computed anew is no record of what was
    with pytest.raises(KdlibError, match=f"run {other.key} no logits or weights in"):
        kdlib.evaluation("prior_removed", other, reader)


def test_a_record_of_other_weights_is_not_used(copied):
    """As of a run that was trained again on another machine: its key is the same, its bits are not."""
    store, (run, other) = copied
    kdlib.evaluation("ece", run, store)
    store.save_logits(run.key, store.logits(other.key))
    store.save_record(store.record(run.key) | {"weights": store.record(other.key)["weights"]})
    assert kdlib.evaluation("ece", run, store) == kdlib.evaluation("ece", other, store)


def test_members_come_in_the_order_given(copied, registered):
    store, runs = copied
    one, other = (kdlib.evaluation("agreement", order, store) for order in (runs, runs[::-1]))
    assert one["agree"] == other["agree"]
    assert [one["right"], other["right"]] == [store.record(r.key)["metrics"]["last"]["raw"]["accuracy"] for r in runs]
    assert kdlib.evaluation("agreement", runs, store, of=1) == {"agree": 1.0, "right": other["right"]}
    assert len(kept.keys(store)) == 3


# Mistakes ------------------------------------------------------------------------------------------------------------


def test_mistakes_get_one_sentence(copied, trained, registered):
    store, (run, other) = copied
    failed = tiny.run(1, lr=1e30)
    evaluations.register("a pair", version=1, members=2)(lambda members, labels: {})
    mistakes = [
        (("ecc", run), {}, "Unknown evaluation 'ecc': did you mean 'ece'.*Known: ece, batch_ece"),
        (("ece", run), {"bin": 5}, "Unknown parameter of evaluation 'ece' 'bin': did you mean 'bins'"),
        (("ece", run), {"bins": "many"}, "ece.bins is 'many': give a whole number"),
        (("ece", run), {"bins": 0}, "bins is 0: give 1 or more"),
        (("batch_ece", run), {"batch_size": 0}, "batch_size is 0: give 1 or more"),
        (("ece", [run, other]), {}, "Evaluation 'ece' was given 2 runs: give it 1"),
        (("agreement", []), {}, "Evaluation 'agreement' was given 0 runs: give it one or more"),
        (("a pair", [run]), {}, "Evaluation 'a pair' was given 1 run: give it 2"),
        (("ece", tiny.run(2)), {}, "has no record: train it with"),
    ]
    for arguments, params, sentence in mistakes:
        with pytest.raises(KdlibError, match=sentence):
            kdlib.evaluation(*arguments, store, **params)
    evaluations.register("a number", version=1)(lambda members, labels: 0.5)
    evaluations.register("another", version=1, figures=("ece",))(lambda members, labels: {"ec": 0.5})
    for name, sentence in [
        ("a number", "Evaluation 'a number' returned 0.5: let it return a dict of numbers by their names"),
        ("another", "Evaluation 'another' returned ec, but is registered with figures ece: give both the same"),
    ]:
        with pytest.raises(KdlibError, match=sentence):
            kdlib.evaluation(name, [run], store)
    evaluations.register("too few", version=1, held_out=True)(lambda members, labels: {})
    with pytest.raises(KdlibError, match="'too few' does not take .*registered with held_out=True, their HeldOut"):
        kdlib.evaluation("too few", [run], store)
    assert not kept.keys(store)
    with pytest.raises(KdlibError, match="cannot be evaluated, since .*: leave it out"):
        kdlib.evaluation("ece", failed, trained[0])
    record = store.record(other.key)
    store.save_record(record | {"spec": record["spec"] | {"data": "digits"}})
    with pytest.raises(KdlibError, match="tested on digits and tiny: give runs of one data set"):
        kdlib.evaluation("agreement", [run, other], store)


def test_without_held_out_images_there_is_nothing_to_fit(store):
    run = tiny.run(1, held_out=0)
    kdlib.train([run], threads=1, store=store)
    with pytest.raises(KdlibError, match=f"Run {run.key} has no held-out images: evaluate one that has"):
        kdlib.evaluation("prior_temperature", run, store)


def test_the_registry_is_the_packages():
    names = ["ece", "batch_ece", "thirds", "prior_removed", "prior_temperature"]
    assert isinstance(kdlib.evaluations, Registry) and list(kdlib.evaluations) == names
