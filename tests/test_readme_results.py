"""Every number in README's results, recomputed from the committed records by a few lines of numpy: not by the library.

A difference is taken seed by seed where two rows share three or more; its interval is Student's t of the variance
between seeds, less the part that the test images make, plus the bootstrap's variance of the mean. A mean over pairs is
one over the means of its groups, and carries the training noise of both sides at one seed, pooled over repeated rows.
"""

import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
from scipy import stats

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "reports" / "results"
SECTION = re.search(r"## Results so far\n(.*?)\n## How to go on", (ROOT / "README.md").read_text(), re.S).group(1)
TEXT = re.sub(r"\s+", " ", SECTION)
CE, BS, ALS, CP = "cross_entropy", "balanced_softmax", "adaptive_label_smoothing", "confidence_penalty"
KD = ("kd", "crd", "rkd", "attention_transfer")


# Records ---


@cache
def rows():
    """Finished records by their specification without its seeds, and by seed."""
    found = defaultdict(dict)
    for path in RESULTS.glob("*.json"):
        record = json.loads(path.read_text())
        if record["status"] == "finished":
            found[name(record["spec"])][record["spec"].get("seed", 0)] = record
    return found


def name(spec):
    return json.dumps({k: v for k, v in spec.items() if k not in ("seed", "data_seed")}, sort_keys=True)


def term(loss, weight, **params):
    return {"name": loss, "weight": weight, **params}


def spec(network, terms, teacher=None, **fields):
    plain = [term(CE, 1.0)]
    objective = {} if terms == plain else {"objective": terms}
    return {"network": network, **fields, **objective, **({"teachers": [teacher]} if teacher else {})}


TAIL = {"data": "cifar10", "image_size": 16, "epochs": 12}
METHODS = {
    "kd": lambda w: term("kd", 0.5 * w),
    "crd": lambda w: term("crd", 0.4 * w, negatives=4096),
    "rkd": lambda w: term("rkd", 0.5 * w),
    "attention_transfer": lambda w: term("attention_transfer", 500.0 * w),
}


def tail(factor, own, method=None, teacher=None, mixup=False, divisor=1, label=None, **fields):
    """A row of study A: by label objective, way to distil and teacher's objective; without both, the baseline, or with
    label=.5 the ablation."""
    images = TAIL | {"imbalance_factor": factor} | ({"mixing": "mixup", "mixing_alpha": 0.1} if mixup else {})
    if method is None:
        return rows()[name(spec("resnet8", [term(own, label or 1.0)], **images | fields))]
    terms = [term(own, 0.5), METHODS[method](1 / divisor)]
    taught = spec("resnet20", [term(teacher or own, 1.0)], **images)
    return rows()[name(spec("resnet8", terms, taught, **images | fields))]


GRID = {"data": "cifar10", "epochs": 10, "momentum": 0.0}
GRID_TEACHER = {"data": "cifar10", "epochs": 15, "network": "resnet20"}


def grid(alpha=0, temperature=None, **fields):
    """A row of study D: the baseline, the ablation of a weight, or a cell."""
    labels = term(CE, round(1 - alpha, 6))
    if temperature is None:
        return rows()[name(spec("cnn2", [labels], **GRID | fields))]
    soft = term("soft_cross_entropy", alpha) | ({"temperature": temperature} if temperature != 1 else {})
    return rows()[name(spec("cnn2", [labels, soft], GRID_TEACHER, **GRID | fields))]


# Intervals ---


def accuracy(record):
    return 100 * record["metrics"]["last"]["raw"]["accuracy"]


def mean(row):
    return np.mean([accuracy(record) for record in row.values()])


def deviations(record):
    replicates = 100 * np.array(record["bootstrap"]["accuracy"])
    return replicates - replicates.mean()


def between(values, devs):
    """The variance between seeds, the part of it that the test images make, and degrees of freedom."""
    return np.var(values, ddof=1), np.var(devs, axis=0, ddof=1).mean(), len(values) - 1


def pooled(each):
    observed, images, degrees = np.array(each).T
    return (*np.average([observed, images], axis=1, weights=degrees), degrees.sum())


def interval(estimate, images, sources):
    """`sources` of training noise: (observed, images' part, degrees of freedom, share in the mean)."""
    variance = images + sum(max(o - i, 0) * share for o, i, _, share in sources)
    doubt = sum((o * share) ** 2 / df for o, _, df, share in sources)
    half = stats.t.ppf(0.975, max(variance**2 / doubt, 1) if doubt else np.inf) * np.sqrt(variance)
    return estimate, estimate - half, estimate + half


def own_noise(row):
    return between([accuracy(r) for r in row.values()], [deviations(r) for r in row.values()])


def of_row(row):
    devs = np.mean([deviations(r) for r in row.values()], axis=0)
    return interval(mean(row), devs.var(ddof=1), [(*own_noise(row), 1 / len(row))])


def paired(row, other, seeds=None, teacher=None):
    """Row minus other over the seeds of both; `teacher` is the noise of one teacher's luck."""
    shared = sorted(row.keys() & other.keys() if seeds is None else seeds)
    values = [accuracy(row[s]) - accuracy(other[s]) for s in shared]
    devs = np.array([deviations(row[s]) - deviations(other[s]) for s in shared])
    sources = [(*between(values, devs), 1 / len(shared)), *([(*teacher, 1)] if teacher else [])]
    return interval(np.mean(values), devs.mean(0).var(ddof=1), sources)


@cache
def tail_noise():
    """Pooled over the rows of study A's tables that were repeated."""
    of_tables = (
        row
        for key, row in rows().items()
        for s in [json.loads(key)]
        if len(row) > 1 and s["network"] == "resnet8" and s["data"] == "cifar10" and s["epochs"] == 12
        if "lr" not in s and not any(t.get("seed") for t in s.get("teachers", ()))
    )
    return pooled([own_noise(row) for row in of_tables])


def mean_over_pairs(pairs, groups):
    """Of first minus second, one seed: over the means of groups, with the training noise of a pair."""
    values = [mean(one) - mean(other) for one, other in pairs]
    devs = [np.mean([deviations(r) for r in one.values()], 0) - np.mean([deviations(r) for r in other.values()], 0)
            for one, other in pairs]  # fmt: skip
    members = [[i for i, group in enumerate(groups) if group == which] for which in dict.fromkeys(groups)]
    of_groups = [np.mean([values[i] for i in group]) for group in members]
    group_devs = np.array([np.mean([devs[i] for i in group], axis=0) for group in members])
    sources = [(*between(of_groups, group_devs), 1 / len(members)), (*tail_noise(), 2)]
    return interval(np.mean(of_groups), group_devs.mean(0).var(ddof=1), sources)


@cache
def luck():
    """What a teacher's seed does to its students by vanilla KD, from three teachers each of CE and BS."""
    found = []
    for own in (CE, BS):
        teachers = [teacher_rows(own, seed) for seed in (0, 1, 2)]
        values = np.array([[accuracy(row[s]) for s in (0, 1, 2)] for row in teachers])
        devs = np.array([[deviations(row[s]) for s in (0, 1, 2)] for row in teachers])
        left, left_devs = values - values.mean(0), devs - devs.mean(0)
        own_part = pooled([between(v, d) for v, d in zip(left, left_devs, strict=True)])
        students = max(own_part[0] - own_part[1], 0) * 3 / 2 / 3
        observed, images, degrees = between(values.mean(1), devs.mean(1))
        found.append((observed, images + students, degrees))
    return pooled(found)


def teacher_rows(own, seed):
    images = TAIL | {"imbalance_factor": 100.0}
    taught = spec("resnet20", [term(own, 1.0)], **images) | ({"seed": seed, "data_seed": seed} if seed else {})
    return rows()[name(spec("resnet8", [term(own, 0.5), METHODS["kd"](1)], taught, **images))]


# Sentences ---


def points(found, digits=1):
    """+1.7 (+0.4 to +3.1)"""
    estimate, low, high = (f"{value:+.{digits}f}" for value in found)
    return f"{estimate} ({low} to {high})"


def percent(row):
    return f"{mean(row):.1f} %"


@cache
def every_pair(factor, one, other):
    """The 32 pairs of students of one table that differ in their own label objective, in groups of one teacher."""
    choices = [(kd, teacher, mixup) for mixup in (False, True) for kd in KD for teacher in (CE, ALS, CP, BS)]
    pairs = [tuple(tail(factor, own, kd, teacher, mixup) for own in (one, other)) for kd, teacher, mixup in choices]
    return mean_over_pairs(pairs, [(teacher, mixup) for _, teacher, mixup in choices])


def evaluated(row, evaluation, figure):
    """The mean of an evaluation over a row's records that have one."""
    keys = {record["key"] for record in row.values()}
    made = map(json.loads, (path.read_text() for path in (RESULTS / "evaluations").glob("*.json")))
    values = [
        each["values"][figure]
        for each in made
        if each["spec"]["evaluation"] == evaluation and not each["spec"]["params"] and each["members"][0] in keys
    ]
    return np.mean(values)


def teacher(factor, own):
    return rows()[name(spec("resnet20", [term(own, 1.0)], **TAIL, imbalance_factor=factor))]


TUNED = {"kd": (4, 0.4), "rkd": (10, 0.8), "attention_transfer": (40, 0.8), "crd": (40, 0.2)}
SEEDS = range(1, 6)  # which the choice did not see


def tuned(factor, method):
    divisor, lr = TUNED[method]
    return tail(factor, BS, method, divisor=divisor, lr=lr)


def against_tuned_baseline(factor, method):
    return points(paired(tuned(factor, method), tail(factor, BS, lr=0.4), SEEDS, luck()))


def of_one_seed(factor, method, teacher, own, rival):
    """A cell of teacher's and student's objective, over mixup, against its ablation or baseline: as single runs."""
    sides = [
        [tail(factor, own, method, teacher, mixup) for mixup in (False, True)],
        [tail(factor, own, mixup=mixup, label={"ablation": 0.5, "baseline": None}[rival]) for mixup in (False, True)],
    ]
    estimate = np.mean([mean(row) for row in sides[0]]) - np.mean([mean(row) for row in sides[1]])
    devs = [np.mean([np.mean([deviations(r) for r in row.values()], 0) for row in side], axis=0) for side in sides]
    return interval(estimate, (devs[0] - devs[1]).var(ddof=1), [(*tail_noise(), 2), (*luck(), 1)])
