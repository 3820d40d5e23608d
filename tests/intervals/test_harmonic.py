import math
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from kdlib import draws
from kdlib.intervals import harmonic
from kdlib.intervals.best import lead
from kdlib.intervals.comparisons import TEST_IMAGES_ONLY
from kdlib.intervals.measurements import unbiased
from kdlib.intervals.noise import TrainingNoise
from kdlib.metrics import harmonic_score

DRAWS = np.random.default_rng(0).normal(size=(6, 500))


def measured(value, replicates):
    return unbiased(value, np.asarray(replicates, dtype=float))


def test_scores_and_their_intervals_by_a_slow_recomputation():
    rng = np.random.default_rng(1)
    table = {
        name: {
            "accuracy": {0: measured(accuracy, accuracy + rng.normal(0, 0.02, 500))},
            "ece": {r: measured(ece + r / 100, ece + 0.03 + rng.normal(0, 0.01, 500)) for r in range(repeats)},
        }
        for name, accuracy, ece, repeats in [("a", 0.6, 0.2, 1), ("b", 0.7, 0.1, 2), ("c", 0.65, 0.15, 1)]
    }
    noises = {"accuracy": TrainingNoise(0.02**2, 0.01**2, 4, 3), "ece": TrainingNoise(0.02**2, 0.018**2, 3, 3)}
    found = harmonic.scores(table, noises)
    for replicate in range(10):
        columns = []
        for metric, noise in noises.items():
            columns.append([])
            for name, row in table.items():
                repeats = row[metric].values()
                value = np.mean([one.value for one in repeats])
                resampled = [np.mean([one.replicates[k] for one in repeats]) for k in range(500)]
                luck = stats.norm.ppf(draws.uniform(500, "training noise", metric, name)[replicate])
                known_by = stats.norm.ppf(
                    draws.uniform(noise.degrees_of_freedom * 500, "variance of training noise", metric)
                )
                chi_square = sum(known_by.reshape(noise.degrees_of_freedom, 500)[:, replicate] ** 2)
                variance = max(noise.observed * noise.degrees_of_freedom / chi_square - noise.images, 0)
                centred = value + resampled[replicate] - np.mean(resampled)
                columns[-1].append(centred + luck * math.sqrt(variance / len(repeats)))
        slow = harmonic_score(*columns).tolist()
        assert [score.replicates[replicate] for score in found.of.values()] == pytest.approx(slow)
    # a: worst in both; b, whose mean ECE is .105: best in both; c: accuracy 1/2, ECE (.15 - .105) / (.2 - .105)
    low, high = 0.5, 1 - 0.045 / 0.095
    assert [score.value for score in found.of.values()] == pytest.approx([0, 1, 2 * low * high / (low + high)])
    one = harmonic.interval(found, "c")
    deviations = found.of["c"].replicates - found.of["c"].replicates.mean()
    ends = found.of["c"].value + np.quantile(deviations, [0.025, 0.975])
    assert (one.low, one.high) == pytest.approx(tuple(ends.clip(0, 1)))
    assert one.kind == "test images and training: noise borrowed from 3 repeated rows"


def test_without_training_noise_scores_are_of_test_images_only():
    values = {"a": 0.1, "b": 0.2}
    table = {a: {m: {0: measured(v, [v, v + 0.01])} for m in ("accuracy", "ece")} for a, v in values.items()}
    for noises in ({"accuracy": None, "ece": None}, {"accuracy": TrainingNoise(1e-4, 0.0, 4, 1), "ece": None}):
        found = harmonic.scores(table, noises)
        assert found.kind == TEST_IMAGES_ONLY and not lead(found.of, "a", found.kind).decides
        assert not harmonic.mean_difference(found, [("a", "b")] * 3).decides


def test_a_mean_difference_of_scores_is_decided_by_three_pairs_or_groups():
    noises = dict.fromkeys(("accuracy", "ece"), TrainingNoise(1e-6, 0.0, 4, 1))
    table = {
        a: {m: {0: measured(v, v + 0.001 * DRAWS[i])} for m in noises}
        for i, (a, v) in enumerate(zip("abcdef", (0.1, 0.3, 0.2, 0.4, 0.3, 0.5), strict=True))
    }
    found, pairs = harmonic.scores(table, noises), [("a", "b"), ("c", "d"), ("e", "f")]
    assert not harmonic.mean_difference(found, pairs[:2]).decides
    assert not harmonic.mean_difference(found, pairs, ["one teacher", "one teacher", "another"]).decides
    of_three = harmonic.mean_difference(found, pairs)
    assert of_three.decides and "3 pairs" in of_three.kind


@dataclass(frozen=True)
class Named:
    letter: str
    number: float


def test_what_a_row_is_called_moves_no_figure():
    """Its luck is drawn by its fields: a class of another name, or a plain tuple, has the same."""
    noises = dict.fromkeys(("accuracy", "ece"), TrainingNoise(1e-4, 0.0, 4, 1))
    values = {("a", 0.5): 0.1, ("b", 1.0): 0.2, ("c", 1.0): 0.15}
    rows = {name: {m: {0: measured(v, v + 0.001 * DRAWS[0])} for m in noises} for name, v in values.items()}
    plain = harmonic.scores(rows, noises)
    named = harmonic.scores({Named(*name): row for name, row in rows.items()}, noises)
    for name in rows:
        assert harmonic.interval(named, Named(*name)) == harmonic.interval(plain, name)
    assert len({tuple(score.replicates) for score in plain.of.values()}) == 3


NOISES = {"accuracy": TrainingNoise(0.02**2, 0.01**2, 8, 5), "ece": TrainingNoise(0.01**2, 0.005**2, 4, 3)}


def repeated_table(repeats):
    """Six rows that ran so often; the first once more."""
    rng = np.random.default_rng(4)
    values = {
        "a": (0.5, 0.30),
        "b": (0.62, 0.22),
        "c": (0.6, 0.25),
        "d": (0.7, 0.1),
        "e": (0.66, 0.21),
        "f": (0.8, 0.12),
    }
    return {
        name: {
            metric: {r: measured(value, value + rng.normal(0, 0.01, 500)) for r in range(repeats + (name == "a"))}
            for metric, value in zip(NOISES, figures, strict=True)
        }
        for name, figures in values.items()
    }


@pytest.mark.parametrize("repeats", [1, 3])
def test_the_noise_of_a_score_is_what_the_luck_of_one_training_does_to_it(repeats):
    """By a slow recomputation: the table's scores with the rows' luck, less those without."""
    table = repeated_table(repeats)
    with_luck, without = [[], []], [[], []]
    for at, (metric, noise) in enumerate(NOISES.items()):
        known_by = draws.normal(noise.degrees_of_freedom * 500, "variance of training noise", metric)
        chi_square = (known_by.reshape(-1, 500) ** 2).sum(0)
        variance = (noise.observed * noise.degrees_of_freedom / chi_square - noise.images).clip(0)
        for name, row in table.items():
            resampled = np.mean([one.replicates for one in row[metric].values()], axis=0)
            value = np.mean([one.value for one in row[metric].values()]) + resampled - resampled.mean()
            luck = draws.normal(500, "training noise", metric, name) * np.sqrt(variance / len(row[metric]))
            without[at].append(value)
            with_luck[at].append(value + luck)
    effects = np.array(
        [
            harmonic_score(*(np.array(column)[:, k] for column in with_luck)).numpy()
            - harmonic_score(*(np.array(column)[:, k] for column in without)).numpy()
            for k in range(500)
        ]
    )
    of_one_training = np.mean([effects[:, i].var() * (repeats + (i == 0)) for i in range(6)])
    found = harmonic.scores(table, NOISES)
    assert found.noise.variance == pytest.approx(of_one_training, rel=0.005)
    assert (found.noise.degrees_of_freedom, found.noise.rows) == (4, 3)  # of the noise that is known worse
    assert found.repeats == repeats  # that all have


@pytest.mark.parametrize("repeats", [1, 3])
def test_a_mean_difference_of_scores_carries_the_noise_of_one_pair(repeats):
    scores = harmonic.scores(repeated_table(repeats), NOISES)
    pairs = [("b", "a"), ("d", "c"), ("f", "e")]
    found = harmonic.mean_difference(scores, pairs)
    differences = [scores.of[one] - scores.of[other] for one, other in pairs]
    observed = np.var([one.value for one in differences], ddof=1)
    in_replicates = np.stack([one.deviations for one in differences])
    of_pairs = max(observed - in_replicates.var(axis=0, ddof=1).mean(), 0)
    of_a_seed = 2 * scores.noise.variance / repeats
    variance = in_replicates.mean(0).var(ddof=1) + of_pairs / 3 + of_a_seed
    freedom = variance**2 / ((observed / 3) ** 2 / 2 + (2 * scores.noise.observed / repeats) ** 2 / 4)
    half = stats.t.ppf(0.975, max(freedom, 1)) * math.sqrt(variance)
    assert found.estimate == pytest.approx(np.mean([one.value for one in differences]))
    assert found.half_width == pytest.approx(half)


def test_an_empty_table_has_no_scores():
    assert harmonic.scores({}, NOISES).of == {}
