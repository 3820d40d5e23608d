"""What a figure hangs on besides its row's design: test images, the seed, the luck of a teacher, the configuration.

The components are estimated from the rows that were repeated; with them stands what a design can see at all.
"""

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.special import ndtri

from kdlib.intervals import Measurement, TrainingNoise, average, teacher_noise
from kdlib.intervals.measurements import Row as Measured
from kdlib.intervals.verdicts import measured, noise_of
from kdlib.studies.imbalance_kd_calibration.rows import Row, by_panel, is_core
from kdlib.studies.imbalance_kd_calibration.scores import on
from kdlib.studies.results import UNITS, Results

_TITLES = {"accuracy": "accuracy (points)", "ece": "ECE"}


def luck_of_teachers(results: Results, metric: str) -> TrainingNoise | None:
    """How much a student by vanilla KD varies with its teacher's seed; None where no other teacher was trained."""
    groups: dict[Row, dict[int | None, Measured]] = {}
    for variant in results.of("other teacher"):
        groups.setdefault(variant.row, {})[variant.teacher_seed] = measured(results.rows[variant], metric)
    for row, taught in groups.items():
        if row in results.rows:
            taught[None] = measured(results.rows[row], metric)
    return teacher_noise(_of_shared_repeats(taught) for taught in groups.values())


def _of_shared_repeats(rows: dict) -> dict:
    shared = set.intersection(*({*row} for row in rows.values()))
    return {teacher: {repeat: row[repeat] for repeat in sorted(shared)} for teacher, row in rows.items()}


def components(results: Results) -> pd.DataFrame:
    """A line per data set and cause, with the standard deviation that it gives to a figure, in points of accuracy and
    of the ECE, and from how many rows or groups it is known."""
    lines = []
    for data in dict.fromkeys(row.data for row in results.of("student")):
        found = {metric: _components(results, data, metric) for metric in UNITS}
        lines += [
            {"data": data, "cause": cause, "known from": found["accuracy"][cause][1]}
            | {_TITLES[metric]: UNITS[metric] * math.sqrt(of[cause][0]) for metric, of in found.items()}
            for cause in found["accuracy"]
        ]
    return pd.DataFrame(lines, columns=["data", "cause", *_TITLES.values(), "known from"])


def _components(results: Results, data: str, metric: str) -> dict[str, tuple[float, str]]:
    """Variances by their cause, and where each is known from."""
    rows, table = on(results.rows, data), [row for row in results.of("student") if row.data == data]
    means = {row: average(measured(rows[row], metric).values()) for row in rows}
    gains = {row: means[row] - means[row.ablation] for row in table if row.ablation in means}
    found = {"test images, one network": (_of_images(means[row] for row in table), f"{len(table)} rows")}
    if gains:
        found["test images, difference of two"] = _of_images(gains.values()), f"{len(gains)} pairs"
    if noise := noise_of(rows, metric):
        found["seed (weights, order, augmentation)"] = noise.variance, f"{noise.rows} rows"
    if luck := luck_of_teachers(results, metric):
        found["a teacher's seed, in its students"] = luck.variance, f"{luck.rows} kinds of teacher"
    if len(gains) > 1:
        lines = pd.DataFrame(
            {"method": [(row.panel, row.kd) for row in gains], "gain": [g.value for g in gains.values()]}
        )
        between = lines.groupby("method")["gain"].var().mean()
        found["configuration, in the gain over an ablation"] = between, f"{len(gains)} pairs"
    return found


def _of_images(figures: Iterable[Measurement]) -> float:
    """The mean variance that the test images give them."""
    return float(np.mean([one.deviations.var(ddof=1) + one.debias_variance for one in figures]))


def told_apart(results: Results, seeds: Iterable[int] = (1, 5), pairs: int = 32) -> pd.DataFrame:
    """A line per data set and design: the smallest difference from 0 that it can tell, with all components known."""
    lines = []
    for data in dict.fromkeys(row.data for row in results.of("student")):
        found = {metric: _components(results, data, metric) for metric in UNITS}
        designs = {metric: _designs(of, tuple(seeds), pairs) for metric, of in found.items()}
        lines += [
            {"data": data, "design": design} | {_TITLES[m]: UNITS[m] * of[design] for m, of in designs.items()}
            for design in designs["accuracy"]
        ]
    return pd.DataFrame(lines, columns=["data", "design", *_TITLES.values()])


def _designs(found: dict[str, tuple[float, str]], seeds: tuple[int, ...], pairs: int) -> dict[str, float]:
    images, seed, luck, configuration = (
        next((variance for cause, (variance, _) in found.items() if cause.startswith(word)), math.nan)
        for word in ("test images, difference", "seed", "a teacher", "configuration")
    )
    variances = {f"two rows, {n} seed{'s' * (n > 1)} each": images + 2 * seed / n for n in seeds}
    variances[f"two rows, {seeds[-1]} seeds each, one has a teacher"] = images + 2 * seed / seeds[-1] + luck
    variances[f"mean over {pairs} pairs, one seed"] = images / 2 + 2 * seed + configuration / pairs
    return {
        design: ndtri(0.975) * math.sqrt(variance) for design, variance in variances.items() if variance == variance
    }


def shared_by_a_seed(results: Results) -> dict[str, float]:
    """The mean correlation over seeds of two repeated rows' accuracies, by table: "one objective", of the students, and
    "different ones"."""
    found: dict[str, list[float]] = {"one objective": [], "different ones": []}
    repeated = [row for role in ("student", "baseline", "ablation") for row in results.of(role) if is_core(row)]
    for rows in by_panel(row for row in repeated if len(results.rows[row]) > 2).values():
        for number, one in enumerate(rows):
            for other in rows[:number]:
                word = "one objective" if one.student_objective == other.student_objective else "different ones"
                found[word].append(_correlation(results, one, other))
    return {word: float(np.mean(values)) for word, values in found.items() if values}


def _correlation(results: Results, one: Row, other: Row) -> float:
    both = sorted(results.rows[one].keys() & results.rows[other].keys())
    values = [[measured(results.rows[row], "accuracy")[r].value for r in both] for row in (one, other)]
    return np.corrcoef(values)[0, 1]


def finding(results: Results) -> str:
    """How large the components are, and what a single seed hides."""
    found = components(results)
    if found.empty:
        return "No student was measured."
    causes = {"seed": "from seed to seed", "a teacher": "from teacher to teacher"}
    said = [
        f"{line['accuracy (points)']:.2f} points {words}"
        for start, words in causes.items()
        for _, line in found[found["cause"].str.startswith(start)].head(1).iterrows()
    ]
    if not said:
        return "No row was repeated, so what a seed does is not known and nothing is decided."
    alike = shared_by_a_seed(results)
    words = [f"{value:+.2f} between rows with {word}" for word, value in alike.items()]
    shared = (
        f" Over seeds, accuracies correlate {' and '.join(words)} in the mean: too few seeds to say what they share, "
        "so that means over pairs of one seed take the worst case."
    )
    return f"An accuracy varies by {' and '.join(said)} (standard deviations).{shared if words else ''}"
