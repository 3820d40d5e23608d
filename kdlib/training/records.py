"""What is kept of a finished run for good: the record."""

import datetime

import numpy as np
import torch

from kdlib import metrics
from kdlib.run import Run
from kdlib.store import SCHEMA, Store
from kdlib.store.provenance import provenance
from kdlib.training.batches import Images
from kdlib.training.learner import Learner
from kdlib.training.weights import digest, save_weights


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
        "bootstrap": metrics.bootstrap_scores(test, labels["test"]),
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
    """The record of a run, measured anew from the store's logits if its schema is an older one; else as it is."""
    record = store.record(key)
    logits = store.logits(key) if record["status"] == "finished" and record["schema"] < SCHEMA else None
    if logits is None:
        return record
    images = Images(Run.from_spec(record["spec"]))
    if images.fingerprint != record["data"]["fingerprint"]:
        return record  # made from other images than are found here: shown with its gaps
    labels = {"held_out": images.held_out_labels, "test": images.test_labels}
    record |= {"schema": SCHEMA, "versions": record.get("versions", {}), **measure(logits, labels)}
    store.save_record(record)
    return record


def finish(store: Store, student: Learner, images, digests: dict[str, str], setting: dict) -> dict:
    """Stores what the student reached, its record last. `digests` maps teachers' keys to their weights' digests;
    `setting` says on what it was trained (device, threads)."""
    run = student.run
    weights, logits = ({}, {}) if student.failure else student.outcome(images)
    if not all(np.isfinite(values).all() for values in logits.values()):
        student.failure = "the logits at the end were not finite"
    record = {
        "key": run.key,
        "schema": SCHEMA,
        "spec": run.spec(),
        "versions": run.versions(),
        "history": student.history,
        "taught_by": {teacher.key: digests[teacher.key] for teacher in run.teachers},
        "data": {
            "fingerprint": images.fingerprint,
            "train": len(images.labels),
            "class_counts": images.class_counts.tolist(),  # of the training images
            "class_names": images.class_names,
            "held_out": len(images.held_out),
            "test": len(images.test),
        },
        "provenance": provenance()
        | setting
        | {
            "seconds": round(student.seconds, 1),  # of this run's own steps and evaluations
            "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        },
    }
    if student.failure:
        record |= {"status": "failed", "reason": student.failure}
    else:
        labels = {"held_out": images.held_out_labels, "test": images.test_labels}
        record |= {
            "status": "finished",
            "train_accuracy": student.history[-1]["train_accuracy"],
            "best_epoch": student.best["epoch"] if student.best else None,
            "weights": digest(weights),
            **measure(logits, labels),
        }
        save_weights(store, run.key, weights)
        store.save_logits(run.key, logits)
    store.save_record(record)
    return record


def current(runs: list[Run], store: Store) -> dict[str, dict]:
    """The records there are of the runs, by key, in today's schema where the store has their logits."""
    return {run.key: rebuild(store, run.key) for run in runs if store.record(run.key)}


def jsonable(values) -> list:
    """Floats as they are, NaN (which JSON lacks) as null."""
    return [None if value != value else value for value in np.asarray(values).tolist()]
