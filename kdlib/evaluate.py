"""What is measured on finished runs, from their logits: an evaluation, kept like a run's record.

Its key is the hash of its members' keys in their order, its name, its parameters (without those at their default) and
its version. A figure is measured once; whoever has its record and those of its members needs neither logits nor data.
"""

import datetime
import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kdlib import data, draws, lookup, metrics
from kdlib.metrics.prior import without_prior
from kdlib.registry import Entry, KdlibError, Registry, unknown
from kdlib.run import KEY_LENGTH, Run, coerce
from kdlib.store import Store
from kdlib.store import evaluations as kept
from kdlib.store.provenance import provenance
from kdlib.training.batches import Images
from kdlib.words import count

SCHEMA = 1  # of the records of evaluations

# Functions of the members' test logits, a list of (N, K) in float64, and the labels (N,), with keyword-only parameters;
# they return a dict of floats. Options of `register`: members=1 for what is measured on one run; figures=(...), the
# names in the dict, so that a reader without the logits sees gaps in their place; held_out=True for what also takes,
# third, a list of the members' HeldOut.
evaluations = Registry("evaluation", __name__)
_TAKES = "let it take the members' test logits, the labels and, if it is registered with held_out=True, their HeldOut"
_THIRDS = metrics.scores.Thirds._fields
_OF_THIRDS = [f"{third}_{what}" for third in _THIRDS for what in ("confidence", "accuracy")]
_ADJUSTED = ["accuracy", "ece", "ece_floor", "nll", "temperature", "scaled_ece", *(f"{t}_accuracy" for t in _THIRDS)]
_TEMPERED = [f"{by}{what}" for by in ("", "balanced_") for what in ("temperature", "ece", "nll")]


class HeldOut(NamedTuple):
    """What a run was not tested on: logits (M, K) in float64 and labels (M,) of its held-out images, and how many
    training images each class has (K,)."""

    logits: Tensor
    labels: Tensor
    class_counts: Tensor


def evaluation(name: str, runs: Run | str | Iterable[Run | str], store: Store | None = None, **params) -> dict:
    """What the evaluation `name` with `params` says of finished runs (or their keys) after the last epoch: its record's
    figures, from the store or the committed ones, or else measured and stored. Raises KdlibError on unknown names and
    parameters, and where there is neither a record nor the logits to measure it from."""
    store = store or Store()
    entry, params = evaluations[name], _changed(name, params)
    members = [lookup.record(run, store) for run in ([runs] if isinstance(runs, (Run, str)) else runs)]
    _check(name, members)
    keys, weights = ([member[of] for member in members] for of in ("key", "weights"))
    key = evaluation_key(name, keys, **params)
    found = kept.load(store, key)
    if found is None or found["weights"] != weights:  # the latter: of members that were trained elsewhere
        logits = [_logits(name, member, store) for member in members]
        values = _figures(entry, entry.call(_TAKES, *_arguments(entry, members, logits), **params))
        found = {
            "key": key,
            "schema": SCHEMA,
            "spec": {"evaluation": name, "params": params},
            "version": entry.version,
            "members": keys,
            "weights": weights,  # the digests of the members' weights
            "logits": [str(each["last_test"].dtype).removeprefix("torch.") for each in logits],
            "values": values,
            "provenance": provenance()
            | {"finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")},
        }
        kept.save(store, found)
    return found["values"]


class NoLogitsError(KdlibError):
    """An evaluation has no record, and the logits to measure it from are in another store."""


def attempt(name: str, runs: Run | str | Iterable[Run | str], store: Store | None = None, **params) -> dict:
    """As `evaluation`; where a reader has neither its record nor the logits, that is said, and each figure that it is
    registered with is NaN."""
    try:
        return evaluation(name, runs, store, **params)
    except NoLogitsError as missing:
        figures = evaluations[name].options.get("figures")
        if figures is None:
            raise
        print(missing)
        return dict.fromkeys(figures, math.nan)


def evaluation_key(name: str, members: list[str], **params) -> str:
    """16 hex digits: the evaluation's name in the store. `members` are keys of runs."""
    version = evaluations[name].version
    short = {"evaluation": name, "members": list(members), "params": _changed(name, params)}
    short |= {"version": version} if version != 1 else {}
    text = json.dumps(short, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


@evaluations.register("ece", version=1, members=1, figures=("ece", "ece_floor", "ece_floor_95"))
def ece(members: list[Tensor], labels: Tensor, *, bins=100) -> dict[str, float]:
    """ECE over the whole test set with another number of bins, and its noise floor (mean and 95% level)."""
    probs = members[0].softmax(1)
    floor, level = metrics.ece_noise_floor(probs, bins)
    return {"ece": metrics.ece(probs, labels, bins), "ece_floor": floor, "ece_floor_95": level}


@evaluations.register("batch_ece", version=1, members=1, figures=("ece", "ece_floor"))
def batch_ece(members: list[Tensor], labels: Tensor, *, batch_size=128, bins=15) -> dict[str, float]:
    """ECE as some code reports it, a mean over batches, in which a smaller last batch counts like the others. The
    batches are the same for all runs. Its noise floor is the mean of the batches' own."""
    if batch_size < 1:
        raise KdlibError(f"batch_size is {batch_size}: give 1 or more.")
    probs = members[0].softmax(1)
    batches = torch.from_numpy(draws.permutation(len(labels), "batch_ece")).split(batch_size)
    eces = [metrics.ece(probs[batch], labels[batch], bins) for batch in batches]
    floors = [metrics.ece_noise_floor(probs[batch], bins, seed=step).mean for step, batch in enumerate(batches)]
    return {"ece": sum(eces) / len(batches), "ece_floor": sum(floors) / len(batches)}


@evaluations.register("thirds", version=1, members=1, figures=_OF_THIRDS)
def thirds(members: list[Tensor], labels: Tensor) -> dict[str, float]:
    """Mean confidence and accuracy over the test images of the head's, the middle's and the tail's classes. A network
    whose ECE is small can still be too sure of rare classes and not sure enough of frequent ones."""
    confidence, answer = members[0].softmax(1).max(1)
    found = {}
    for third, classes in metrics.scores.thirds(members[0].shape[1])._asdict().items():
        inside = (labels >= classes.start) & (labels < classes.stop)
        found[f"{third}_confidence"] = confidence[inside].mean()
        found[f"{third}_accuracy"] = (answer == labels)[inside].double().mean()
    return found


@evaluations.register("prior_removed", version=1, members=1, held_out=True, figures=_ADJUSTED)
def prior_removed(members: list[Tensor], labels: Tensor, held_out: list[HeldOut]) -> dict[str, float]:
    """What taking log n_c off the logits makes of a network, without training (post-hoc logit adjustment: Menon et al.
    2021): its accuracy, also over the classes of each third, ECE with its noise floor, NLL, and the temperature that
    its held-out images, balanced as the test images are, ask for then, with the ECE that it leaves."""
    (test,), (kept,) = members, held_out
    test, unseen = (without_prior(logits, kept.class_counts) for logits in (test, kept.logits))
    probs, temperature = test.softmax(1), metrics.fit_temperature(unseen, kept.labels)
    parts = thirds([test], labels)
    return {
        "accuracy": metrics.accuracy(probs, labels),
        "ece": metrics.ece(probs, labels),
        "ece_floor": metrics.ece_noise_floor(probs).mean,
        "nll": metrics.nll(test, labels),
        "temperature": temperature,
        "scaled_ece": metrics.ece((test / temperature).softmax(1), labels),
        **{f"{third}_accuracy": parts[f"{third}_accuracy"] for third in _THIRDS},
    }


@evaluations.register("prior_temperature", version=1, members=1, held_out=True, figures=_TEMPERED)
def prior_temperature(members: list[Tensor], labels: Tensor, held_out: list[HeldOut]) -> dict[str, float]:
    """What temperature scaling (Guo et al. 2017) leaves on the test images where the held-out ones have the training
    images' long tail: each is weighted by how frequent its class is there. Beside it, as `balanced_`, where they are
    weighted alike."""
    (test,), (kept,) = members, held_out
    per_class = torch.bincount(kept.labels, minlength=len(kept.class_counts))
    frequency = (kept.class_counts / per_class)[kept.labels]
    fitted = {"": frequency, "balanced_": None}
    temperatures = {by: metrics.fit_temperature(kept.logits, kept.labels, weights) for by, weights in fitted.items()}
    found = {}
    for by, temperature in temperatures.items():
        scaled = test / temperature
        found[f"{by}temperature"] = temperature
        found[f"{by}ece"] = metrics.ece(scaled.softmax(1), labels)
        found[f"{by}nll"] = metrics.nll(scaled, labels)
    return found


def _figures(entry: Entry, values: Any) -> dict[str, float]:
    """What an evaluation returned; KdlibError where it is not what it should be."""
    try:
        figures = {str(figure): float(value) for figure, value in values.items()}
    except (AttributeError, TypeError, ValueError):
        raise KdlibError(
            f"Evaluation '{entry.name}' returned {values!r}: let it return a dict of numbers by their names."
        ) from None
    promised = entry.options.get("figures", figures)
    if set(promised) != set(figures):
        raise KdlibError(
            f"Evaluation '{entry.name}' returned {', '.join(figures)}, but is registered with figures "
            f"{', '.join(promised)}: give both the same."
        )
    return figures


def _changed(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that differ from their defaults, each of its default's type."""
    known = evaluations[name].parameters
    for given in params:
        if given not in known:
            raise KdlibError(unknown(f"parameter of evaluation '{name}'", given, known))
    coerced = {p: coerce(value, type(known[p]), f"{name}.{p}") for p, value in params.items()}
    return {p: value for p, value in coerced.items() if value != known[p]}


def _check(name: str, members: list[dict]) -> None:
    wanted = evaluations[name].options.get("members", len(members) or "one or more")
    if len(members) != wanted:
        raise KdlibError(f"Evaluation '{name}' was given {count(len(members), 'run')}: give it {wanted}.")
    for member in members:
        if member["status"] == "failed":
            raise KdlibError(f"Run {member['key']} cannot be evaluated, since {member['reason']}: leave it out.")
    sets = {member["spec"]["data"] for member in members}
    if len(sets) > 1:
        raise KdlibError(f"The runs were tested on {' and '.join(sorted(sets))}: give runs of one data set.")


def _logits(name: str, member: dict, store: Store) -> dict[str, Tensor]:
    """Of a member, by moment and split."""
    found = lookup.all_logits(Run.from_spec(member["spec"]), store)
    if found is None:
        raise NoLogitsError(
            f"Evaluation '{name}' has no record, and run {member['key']} no logits or weights in {store.root}: "
            "point $KDLIB_STORE to the store that has them, or set KDLIB_RESULTS= and train the run anew."
        )
    return found


def _arguments(entry: Entry, members: list[dict], logits: list[dict[str, Tensor]]) -> tuple:
    """What the evaluation is called with: of all members at the last epoch, and the labels of the test images."""
    _, labels, _ = data.load(members[0]["spec"]["data"], "test")
    tested = [each["last_test"].double() for each in logits], labels
    if not entry.options.get("held_out"):
        return tested
    return *tested, [_held_out(*each) for each in zip(members, logits, strict=True)]


def _held_out(member: dict, logits: dict[str, Tensor]) -> HeldOut:
    images = Images(Run.from_spec(member["spec"]))
    if not len(images.held_out):
        raise KdlibError(f"Run {member['key']} has no held-out images: evaluate one that has.")
    return HeldOut(logits["last_held_out"].double(), images.held_out_labels, images.class_counts)
