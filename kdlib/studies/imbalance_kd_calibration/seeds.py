"""What a figure hangs on besides its row's design: test images, the seed, the luck of a teacher, the configuration.

The components are estimated from the rows that were repeated; with them stands what a design can see at all.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from kdlib.intervals import Measurement, TrainingNoise, average, teacher_noise
from kdlib.intervals.measurements import Row as Measured
from kdlib.intervals.verdicts import measured, noise_of
from kdlib.studies.imbalance_kd_calibration.rows import Row, by_panel, is_core
from kdlib.studies.imbalance_kd_calibration.scores import on
from kdlib.studies.results import UNITS, Results
from kdlib.words import count

IMAGES, DIFFERENCE, SEED, LUCK, CONFIGURATION = (
    "test images, one network",
    "test images, difference of two",
    "seed (weights, order, augmentation)",
    "a teacher's seed, in its students",
    "configuration, in the gain over an ablation",
)
_TITLES = {"accuracy": "accuracy (points)", "ece": "ECE"}
_VARIES = {SEED: "from seed to seed", LUCK: "from teacher to teacher"}
_UNKNOWN = math.nan, ""
_Components = dict[str, tuple[float, str]]  # variances by their cause, and where each is known from


def luck_of_teachers(results: Results, data: str, metric: str) -> TrainingNoise | None:
    """How much a student of the data set by vanilla KD varies with its teacher's seed; None where no other teacher was
    trained."""
    groups: dict[Row, dict[int | None, dict[int, dict]]] = {}
    for variant in results.of("other teacher"):
        if variant.data == data:
            groups.setdefault(variant.row, {})[variant.teacher_seed] = results.rows[variant]
    for row, taught in groups.items():
        if row in results.rows:
            taught[None] = results.rows[row]
    return teacher_noise(_of_shared_repeats(taught, metric) for taught in groups.values())


def _of_shared_repeats(taught: Mapping[int | None, dict[int, dict]], metric: str) -> dict[int | None, Measured]:
    shared = sorted(set.intersection(*({*records} for records in taught.values())))
    return {
        teacher: measured({repeat: records[repeat] for repeat in shared}, metric)
        for teacher, records in taught.items()
        if shared
    }


def components(results: Results) -> pd.DataFrame:
    """A line per data set and cause, with the standard deviation that it gives to a figure, in points of accuracy and
    of the ECE, and from how many rows or groups it is known."""
    lines = [
        {"data": data, "cause": cause, "known from": origin}
        | _deviations({metric: of[cause][0] for metric, of in found.items()})
        for data, found in _by_data(results).items()
        for cause, (_, origin) in found["accuracy"].items()
    ]
    return pd.DataFrame(lines, columns=["data", "cause", *_TITLES.values(), "known from"])


def told_apart(results: Results, seeds: Iterable[int] = (1, 5), pairs: int = 32) -> pd.DataFrame:
    """A line per data set and design: the smallest difference from 0 that it can tell, with all components known."""
    lines = []
    for data, found in _by_data(results).items():
        designs = {metric: _designs(of, tuple(seeds), pairs) for metric, of in found.items()}
        lines += [
            {"data": data, "design": design} | _deviations({metric: of[design] for metric, of in designs.items()})
            for design in designs["accuracy"]
        ]
    told = pd.DataFrame(lines, columns=["data", "design", *_TITLES.values()])
    told[[*_TITLES.values()]] *= ndtri(0.975)
    return told


def _deviations(variances: Mapping[str, float]) -> dict[str, float]:
    """Of each metric, in the unit that is shown."""
    return {_TITLES[metric]: UNITS[metric] * math.sqrt(variance) for metric, variance in variances.items()}


def _by_data(results: Results) -> dict[str, dict[str, _Components]]:
    """The components by data set and metric."""
    every = dict.fromkeys(row.data for row in results.of("student"))
    return {data: {metric: _components(results, data, metric) for metric in UNITS} for data in every}


def _components(results: Results, data: str, metric: str) -> _Components:
    rows, table = on(results.rows, data), [row for row in results.of("student") if row.data == data]
    means = {row: average(measured(rows[row], metric).values()) for row in rows}
    gains = {row: means[row] - means[row.ablation] for row in table if row.ablation in means}
    found = {IMAGES: (_of_images(means[row] for row in table), count(len(table), "row"))}
    if gains:
        found[DIFFERENCE] = _of_images(gains.values()), count(len(gains), "pair")
    if noise := noise_of(rows, metric):
        found[SEED] = noise.variance, count(noise.rows, "row")
    if luck := luck_of_teachers(results, data, metric):
        found[LUCK] = luck.variance, f"{count(luck.rows, 'kind')} of teacher"
    if len(gains) > 1:
        found[CONFIGURATION] = _between_configurations(gains), count(len(gains), "pair")
    return found


def _of_images(figures: Iterable[Measurement]) -> float:
    """The mean variance that the test images give them."""
    return float(np.mean([one.deviations.var(ddof=1) + one.debias_variance for one in figures]))


def _between_configurations(gains: Mapping[Row, Measurement]) -> float:
    """The mean variance between the gains of one way to distil on one table; NaN where each has a single one."""
    methods = [(row.panel, row.kd) for row in gains]
    return pd.Series([gain.value for gain in gains.values()]).groupby(pd.Series(methods)).var().mean()


def _designs(found: _Components, seeds: tuple[int, ...], pairs: int) -> dict[str, float]:
    """The variances of differences, by design, where all of their components are known."""
    images, seed, luck, between = (found.get(cause, _UNKNOWN)[0] for cause in (DIFFERENCE, SEED, LUCK, CONFIGURATION))
    variances = {f"two rows, {count(n, 'seed')} each": images + 2 * seed / n for n in seeds}
    variances[f"two rows, {count(seeds[-1], 'seed')} each, one has a teacher"] = images + 2 * seed / seeds[-1] + luck
    variances[f"mean over {count(pairs, 'pair')}, one seed"] = images / 2 + 2 * seed + between / pairs
    return {design: variance for design, variance in variances.items() if not math.isnan(variance)}


def shared_by_a_seed(results: Results) -> dict[str, float]:
    """The mean correlation over seeds of two repeated rows' accuracies, by table: "one objective", of the students, and
    "different ones"."""
    found: dict[str, list[float]] = {"one objective": [], "different ones": []}
    repeated = [row for role in ("student", "baseline", "ablation") for row in results.of(role) if is_core(row)]
    for rows in by_panel(row for row in repeated if len(results.rows[row]) > 2).values():
        for one, other in combinations(rows, 2):
            alike = one.student_objective == other.student_objective
            found["one objective" if alike else "different ones"].append(_correlation(results, one, other))
    return {word: float(np.mean(values)) for word, values in found.items() if values}


def _correlation(results: Results, one: Row, other: Row) -> float:
    both = sorted(results.rows[one].keys() & results.rows[other].keys())
    values = [[measured(results.rows[row], "accuracy")[r].value for r in both] for row in (one, other)]
    return np.corrcoef(values)[0, 1]


def finding(results: Results) -> str:
    """How large the components are, on the first data set, and what a single seed hides."""
    found = components(results).drop_duplicates("cause").set_index("cause")["accuracy (points)"]
    if found.empty:
        return "No student was measured."
    said = [f"{found[cause]:.2f} points {words}" for cause, words in _VARIES.items() if cause in found]
    if not said:
        return "No row was repeated, so what a seed does is not known and nothing is decided."
    alike = [f"{value:+.2f} between rows with {word}" for word, value in shared_by_a_seed(results).items()]
    shared = (
        f" Over seeds, accuracies correlate {' and '.join(alike)} in the mean: too few seeds to say what they share, "
        "so that means over pairs of one seed take the worst case."
    )
    return f"An accuracy varies by {' and '.join(said)} (standard deviations).{shared if alike else ''}"
