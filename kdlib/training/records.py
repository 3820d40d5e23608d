"""What is kept of a finished run for good: the record."""

import datetime

import numpy as np
import torch

from kdlib import metrics
from kdlib.metrics.resampling import bootstrap_scores
from kdlib.run import Run
from kdlib.store import SCHEMA, Store
from kdlib.store.provenance import provenance
from kdlib.training.batches import Images
from kdlib.training.learner import Reached
from kdlib.training.weights import digest


def measure(logits: dict[str, np.ndarray], labels: dict[str, torch.Tensor]) -> dict:
    """Everything in a record that follows from the logits: `logits` as in the store, `labels` of held_out and test."""
    moments = {}
    for moment in ("last", "best"):
        if moment == "best" and logits.get("best_test") is logits["last_test"]:  # the last epoch was the best
            moments["best"] = moments["last"]
        elif f"{moment}_test" in logits:
            held_out, test = (torch.from_numpy(logits[f"{moment}_{split}"]) for split in ("held_out", "test"))
            moments[moment] = {"raw": scores(test, labels["test"])}
            if len(held_out):
                temperature = metrics.fit_temperature(held_out, labels["held_out"])
                moments[moment] |= {
                    "temperature": temperature,
                    "scaled": scores(test / temperature, labels["test"]),
                    "held_out": scores(held_out, labels["held_out"]),
                }
    test = torch.from_numpy(logits["last_test"])
    classes = test.shape[1]
    confusion = torch.bincount(labels["test"] * classes + test.argmax(1), minlength=classes**2).view(classes, classes)
    bins = metrics.reliability(test.double().softmax(1), labels["test"])
    return {
        "metrics": moments,
        "bootstrap": bootstrap_scores(test, labels["test"]),
        "reliability": {name: jsonable(values) for name, values in bins._asdict().items()},
        "confusion": confusion.tolist(),  # rows: true class
    }


def scores(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """kdlib.store.tables.METRICS of a whole set."""
    logits = logits.double()
    probs = logits.softmax(1)
    floor, level = metrics.ece_noise_floor(probs)
    parts = metrics.brier_decomposition(probs, labels)
    of_probs = ("accuracy", "ece", "adaptive_ece", "classwise_ece", "mce", "overconfidence_error",
                "underconfidence_error", "smooth_ece", "brier")  # fmt: skip
    return {
        **{name: getattr(metrics, name)(probs, labels) for name in of_probs},
        "nll": metrics.nll(logits, labels),
        "ece_floor": floor,  # what a perfectly calibrated network of these confidences would score on average,
        "ece_floor_95": level,  # and stay below in 95% of draws
        **parts._asdict(),
    }


def rebuild(store: Store, key: str) -> dict:
    """The record of a run, measured anew from the store's logits if its schema is an older one; else as it is.

    Committed logits make no record: they are rounded, and of the last epoch alone.
    """
    record = store.record(key)
    logits = store.logits(key) if record["status"] == "finished" and record["schema"] < SCHEMA else None
    if logits is None or logits["last_test"].dtype != np.float32:
        return record
    images = Images(Run.from_spec(record["spec"]))
    if images.fingerprint != record["data"]["fingerprint"]:
        return record  # made from other images than are found here: shown with its gaps
    labels = {"held_out": images.held_out_labels, "test": images.test_labels}
    record |= {"schema": SCHEMA, "versions": record.get("versions", {}), **measure(logits, labels)}
    store.save_record(record)
    return record


def compose(reached: Reached, images: Images | None, taught_by: dict[str, str], setting: dict) -> dict:
    """The record of what a run has reached; `images` None where there were none to see. `taught_by` maps the keys of
    teachers to the digests of their weights; `setting` says on what it was trained (device, threads)."""
    run = reached.run
    return {
        "key": run.key,
        "schema": SCHEMA,
        "spec": run.spec(),
        "versions": run.versions(),
        "history": reached.history,
        "taught_by": {teacher.key: taught_by[teacher.key] for teacher in run.teachers},
        "data": _seen(images) if images else {},
        "provenance": provenance()
        | setting
        | {
            "seconds": round(reached.seconds, 1),  # of this run's own steps and evaluations
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
        **_result(reached, images),
    }


def _seen(images: Images) -> dict:
    return {
        "fingerprint": images.fingerprint,
        "train": len(images.labels),
        "class_counts": images.class_counts.tolist(),  # of the training images
        "class_names": images.class_names,
        "held_out": len(images.held_out),
        "test": len(images.test),
    }


def _result(reached: Reached, images: Images | None) -> dict:
    if reached.failure:
        return {"status": "failed", "reason": reached.failure}
    return {
        "status": "finished",
        "train_accuracy": reached.history[-1]["train_accuracy"],
        "best_epoch": reached.best_epoch,
        "weights": digest(reached.weights),
        **measure(reached.logits, {"held_out": images.held_out_labels, "test": images.test_labels}),
    }


def current(runs: list[Run], store: Store) -> dict[str, dict]:
    """The records there are of the runs, by key, in today's schema where the store has their logits."""
    return {run.key: rebuild(store, run.key) for run in runs if store.record(run.key)}


def jsonable(values) -> list:
    """Floats as they are, NaN (which JSON lacks) as null."""
    return [None if value != value else value for value in np.asarray(values).tolist()]
