"""Every number in README's results, recomputed from the committed records by a few lines of numpy: not by the library.

A difference is taken seed by seed where two rows share three or more; its interval is Student's t of the variance
between seeds, less the part that the test images make, plus the bootstrap's variance of the mean. A mean over pairs is
one over the means of its groups, and carries the training noise of both sides at one seed, pooled over repeated rows.
"""

import csv
import json
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
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
    soft = term("soft_cross_entropy", alpha) | ({"temperature": float(temperature)} if temperature != 1 else {})
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


# What README says ---


def numbers_of_the_grid():
    """Study D's, as README writes them."""
    cell, baseline, strongest = grid(0.75, 1), grid(), grid(0.9, 1)
    unseen = sorted({*cell} & {*baseline} - {0, 1, 2})
    hot = [paired(grid(alpha, 50), grid(alpha)) for alpha in (0.1, 0.25, 0.5, 0.75, 0.9)]
    estimates = [found[0] for found in hot]
    first = {0: baseline[0]}
    batches = [evaluated(first, "batch_ece", figure) for figure in ("ece", "ece_floor")]
    return [
        f"{len(unseen)} seeds that had no say in it, "
        f"{points(paired(cell, baseline, unseen))} points ahead of the baseline",
        f"{points(paired(strongest, grid(0.9)))} points ahead of its ablation",
        f"{points(paired(strongest, grid(0.9, lr=1.0)))} of the ablation whose step size makes up for its small labels",
        f"by {min(estimates):+.2f} to {max(estimates):+.2f} points, all five intervals within "
        f"{max(abs(end) for found in hot for end in found[1:]):.1f} of 0",
        f"an ECE of {raw_ece(baseline[0]):.3f} becomes {batches[0]:.3f}; "
        f"a calibrated network would score {batches[1]:.3f}",
    ]


def raw_ece(record):
    return record["metrics"]["last"]["raw"]["ece"]


def numbers_of_the_tail():
    """Study A's: figures at imbalance factors 50 and 100."""
    factors = (50.0, 100.0)

    def both(of, joined=" and "):
        return joined.join(of(factor) for factor in factors)

    def core(method, own, rival):
        label = {"ablation": 0.5, "baseline": None}[rival]
        return both(
            lambda factor: points(paired(tail(factor, own, method), tail(factor, own, label=label), None, luck()))
        )

    seeds = range(1, 5)  # whose logits are at hand
    taught = {own: {f: {s: tail(f, own, "kd")[s] for s in seeds} for f in factors} for own in (CE, BS)}
    removed = {f: 100 * evaluated(taught[CE][f], "prior_removed", "accuracy") for f in factors}
    long, short = (tail(100.0, CE, mixup=True, epochs=epochs) for epochs in (40, 12))
    assert long.keys() == {0} and len(short) == 5
    return [
        f"{training_images(50.0):,} and {training_images(100.0):,} images",
        f"{points(every_pair(50.0, BS, CE))} points to cross-entropy at 50",
        f"{points(every_pair(100.0, BS, CE))} at 100",
        both(lambda f: f"from {mean(taught[CE][f]):.1f} to {removed[f]:.1f} %"),
        f"{both(lambda f: f'{mean(taught[BS][f]):.1f}')} %",
        f"{core('kd', BS, 'ablation')} points ahead of its ablation",
        f"but {core('kd', BS, 'baseline')} of the baseline",
        f"the tuned baseline ({of_seeds(tail(100.0, BS, lr=0.4))})",
        ", ".join(f"{word} {against_tuned_baseline(100.0, method)}" for method, word in WORDS.items()),
        f"{points(of_one_seed(100.0, 'kd', BS, CE, 'ablation'))} points to a student with cross-entropy",
        f"{points(of_one_seed(100.0, 'kd', CE, BS, 'ablation'))} to one with Balanced Softmax",
        f"an ECE of {tempered('ece'):.3f} where balanced ones leave {tempered('balanced_ece'):.3f}",
        f"cross-entropy {both(lambda f: points(paired(tail(f, CE, mixup=True), tail(f, CE))))}",
        f"Balanced Softmax {both(lambda f: points(paired(tail(f, BS, mixup=True), tail(f, BS))))}",
        f"trained for 40 epochs, once, {mean(long) - mean(tail(100.0, CE, epochs=40)):+.1f}",
    ]


WORDS = {"rkd": "RKD", "attention_transfer": "AT", "kd": "vanilla KD", "crd": "CRD"}


def training_images(factor):
    return next(iter(tail(factor, CE).values()))["data"]["train"]


def of_seeds(row):
    return f"{np.mean([accuracy(row[seed]) for seed in SEEDS]):.1f} %"


def tempered(figure):
    return evaluated(teacher(100.0, CE), "prior_temperature", figure)


def numbers_of_the_intervals():
    """Of the stored simulations."""
    single, designs = (
        list(csv.DictReader((RESULTS / name).open()))
        for name in ("coverage_1000x10000_seed0_v1.csv", "designs_1000_seed0_v1.csv")
    )
    ours = [float(line["coverage %"]) for line in single if line["estimator"] == "kdlib"]
    whole = [float(line["coverage %"]) for line in designs]
    low = [line for line in designs if float(line["coverage %"]) < 92]
    assert min(ours) >= 92 and [line["design"] for line in low] == ["judged at the 3 seeds that chose: may not hold"]
    return [
        f"in {sum(92 <= each <= 98 for each in ours)} of {len(ours)} cases",
        f"in {sum(92 <= each <= 98 for each in whole)} of {len(whole)} designs",
        f"{min(whole):.1f} %",
    ]


# Numbers that say what was run, and names that hold a digit.
FACTS = (
    "resnet\\d+", "cnn2", "CIFAR-\\d+(-LT)?", "T \\d+", "alpha 0\\.\\d+", "\\b[AD]\\d\\b", "95%", "92 to 98 %",
    "16 x 16", "10 epochs", "12 epochs", "100 of resnet18", "factors? 50 and 100", "factor 100", "batches of 128",
    "6 settings", "22 to 26", "factor 50", "16 students",
)  # fmt: skip


NUMBERS = (numbers_of_the_grid, numbers_of_the_tail, numbers_of_the_intervals)


@pytest.mark.parametrize("numbers", NUMBERS, ids=lambda numbers: numbers.__name__)
def test_readme_says_what_the_records_say(numbers):
    assert [fragment for fragment in numbers() if fragment not in TEXT] == []


def test_no_other_number_stands_in_readmes_results():
    left = re.sub(r"\(reports/[^)]*\)", "", TEXT)
    for fragment in (fragment for numbers in NUMBERS for fragment in numbers()):
        left = left.replace(fragment, "")
    left = re.sub("|".join(FACTS), "", left)
    assert re.findall(r"[^.]*\d[^.]*", left) == []
