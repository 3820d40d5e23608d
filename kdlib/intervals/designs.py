"""How often the intervals of whole designs hold the truth: means over pairs, leads, choices, scores and trends.

Here a study is simulated by its rows' figures alone. A figure is its row's true value, plus what the test images do to
all networks and to each, what the seed does to all rows of one side and to each, and the luck of the teacher; `SIZES`
are those measured on study A at small scale. An ECE is simulated like an accuracy. Each design makes the interval that
a rule makes, and knows the truth that it should hold.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from kdlib.intervals import comparisons, harmonic
from kdlib.intervals.best import lead
from kdlib.intervals.comparisons import Interval
from kdlib.intervals.coverage import counted
from kdlib.intervals.measurements import Measurement, Row, unbiased
from kdlib.intervals.noise import teacher_noise, training_noise
from kdlib.intervals.ranks import best_columns, rank_correlation
from kdlib.intervals.verdicts import choose, difference
from kdlib.metrics import harmonic_score
from kdlib.metrics.resampling import REPLICATES
from kdlib.registry import KdlibError

VERSION = 1  # of what is measured: raised when an interval or the simulation gives other figures


@dataclass(frozen=True)
class Sizes:
    """Standard deviations of an accuracy, as fractions."""

    images: float = 0.0038  # of the test images, in all networks alike
    own_images: float = 0.0022  # in each network alone
    seed: float = 0.0070
    teacher: float = 0.0050
    configuration: float = 0.0280  # of what a choice changes, from one configuration to the next


SIZES = Sizes()
TEACHERS, KINDS = 8, 4  # of a table: teachers, and students of each that differ in the other choices


class World:
    """One test set, and the figures that networks have on it."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.shared = rng.normal(0, SIZES.images)
        self.resampled = rng.normal(0, SIZES.images, REPLICATES)

    def network(self, true: float) -> Measurement:
        """One network's figure, of this true value on all images."""
        value = true + self.shared + self.rng.normal(0, SIZES.own_images)
        return unbiased(value, value + self.resampled + self.rng.normal(0, SIZES.own_images, REPLICATES))

    def row(self, true: float, seeds: np.ndarray, share: float = 0.0) -> Row:
        """A row of one network per seed, whose luck is in part that of its side, `seeds`, and in part its own."""
        own = self.rng.normal(0, SIZES.seed, len(seeds))
        luck = np.sqrt(share) * seeds + np.sqrt(1 - share) * own
        return {repeat: self.network(true + each) for repeat, each in enumerate(luck)}

    def seeds(self, count: int) -> np.ndarray:
        """What each seed does to the rows of one side."""
        return self.rng.normal(0, SIZES.seed, count)

    def repeated(self, rows: int = 9, repeats: int = 5):
        """The training noise that a study lends, from so many rows."""
        return training_noise(self.row(0.5, self.seeds(repeats)) for _ in range(rows))


def pairs_of_one_teacher(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """Both students of a pair have one teacher, of which each passes on as much as its kind does."""
    sides, clusters, pairs = [world.seeds(seeds) for _ in range(2)], [], []
    for teacher in range(TEACHERS):
        luck, effect = world.rng.normal(0, SIZES.teacher), world.rng.normal(0, SIZES.configuration)
        for _ in range(KINDS):
            passed, own = world.rng.uniform(0, 1, 2), world.rng.normal(0, SIZES.configuration / 2)
            gains = effect + own + passed[0] * luck, passed[1] * luck
            pairs.append(tuple(world.row(0.5 + g, side, share) for g, side in zip(gains, sides, strict=True)))
            clusters.append(teacher)
    return comparisons.mean_difference(pairs, clusters, world.repeated()), 0.0


def pairs_of_two_teachers(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """As for mixup: each side has teachers of its own, four groups."""
    sides, clusters, pairs = [world.seeds(seeds) for _ in range(2)], [], []
    for group in range(TEACHERS // 2):
        lucks = world.rng.normal(0, SIZES.teacher, 2)
        for _ in range(4 * KINDS):
            pairs.append(tuple(world.row(0.5 + luck, side, share) for luck, side in zip(lucks, sides, strict=True)))
            clusters.append(group)
    return comparisons.mean_difference(pairs, clusters, world.repeated()), 0.0


def losses(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """What rows lose from one table to the next, and how that differs between two kinds of row."""
    tables = [[world.seeds(seeds) for _ in range(2)] for _ in range(2)]
    clusters = [teacher for teacher in range(TEACHERS) for _ in range(KINDS)]
    pairs = [
        tuple(_loss(*(world.row(0.5, tables[table][side], share) for table in range(2))) for side in range(2))
        for _ in clusters
    ]
    lent = [_loss(*(world.row(0.5, world.seeds(5)) for _ in range(2))) for _ in range(5)]
    return comparisons.mean_difference(pairs, clusters, training_noise(lent)), 0.0


def _loss(weak: Row, strong: Row) -> Row:
    return {repeat: weak[repeat] - strong[repeat] for repeat in weak}


def seed_by_seed(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """A student against one without a teacher, seed by seed, with the luck of the one teacher."""
    side, luck = world.seeds(seeds), world.rng.normal(0, SIZES.teacher)
    groups = [
        {teacher: world.row(0.5 + world.rng.normal(0, SIZES.teacher), common, share) for teacher in range(3)}
        for common in (world.seeds(3), world.seeds(3))
    ]
    taught, untaught = world.row(0.5 + luck, side, share), world.row(0.5, side, share)
    return comparisons.difference(taught, untaught, teacher=teacher_noise(groups)), 0.0


def chosen_and_judged_apart(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """The best of 45 equal cells by held-out images over three seeds, judged at seven others."""
    return _chosen(world, 3 + seeds)


def chosen_and_judged_alike(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """The same, judged at the seeds that chose it: why such a choice cannot hold."""
    return _chosen(world, seeds)


def _chosen(world: World, repeats: int) -> tuple[Interval, float]:
    spread = 0.3 * SIZES.seed
    true = {cell: 0.5 + world.rng.normal(0, spread) for cell in range(45)} | {"baseline": 0.5}
    rows = {}
    for name, value in true.items():
        count = repeats if name == "baseline" else 3
        rows[name] = {r: _record(world, value + luck) for r, luck in enumerate(world.seeds(count))}
    best = choose(rows, range(45)).row
    rows[best] |= {r: _record(world, true[best] + luck) for r, luck in enumerate(world.seeds(repeats)) if r >= 3}
    choice = choose(rows, range(45))
    return difference(choice.rows, choice.row, "baseline"), true[choice.row] - 0.5


def _record(world: World, true: float) -> dict:
    """As much of a record as a choice and a difference read."""
    test, held_out = world.network(true), true + world.rng.normal(0, 2 * SIZES.own_images)
    return {
        "key": "simulated",
        "metrics": {"last": {"raw": {"accuracy": test.value}, "held_out": {"accuracy": held_out}}},
        "bootstrap": {"accuracy": test.replicates},
    }


def _scored(world: World, spread: float) -> tuple[harmonic.Scores, np.ndarray]:
    """The harmonic scores of a table, and the true ones; the first row is truly the best."""
    true = np.column_stack([0.5 + np.sort(world.rng.normal(0, spread, TEACHERS * KINDS))[::-1], np.full(32, 0.2)])
    true[:, 1] -= 0.5 * (true[:, 0] - 0.5)
    names = [(number,) for number in range(len(true))]
    luck = [{m: world.seeds(1) for m in ("accuracy", "ece")} for _ in names]
    table = {
        name: {m: world.row(value, own[m], 1.0) for m, value in zip(("accuracy", "ece"), values, strict=True)}
        for name, values, own in zip(names, true, luck, strict=True)
    }
    noises = {metric: world.repeated() for metric in ("accuracy", "ece")}
    return harmonic.scores(table, noises), harmonic_score(true[:, 0], true[:, 1]).numpy()


def leads(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """The best row's lead in harmonic score."""
    scores, true = _scored(world, SIZES.configuration)
    return lead(scores.of, (0,), scores.kind), true[0] - true[1]


def one_score(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """The harmonic score of a row in the middle."""
    scores, true = _scored(world, SIZES.configuration)
    return harmonic.interval(scores, (16,)), true[16]


def pairs_of_scores(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """The mean difference of harmonic scores over 16 pairs of neighbours."""
    scores, true = _scored(world, SIZES.configuration)
    names = [((2 * i,), (2 * i + 1,)) for i in range(16)]
    found = harmonic.mean_difference(scores, names, [i // 2 for i in range(16)])
    return found, float(np.mean([true[one[0]] - true[other[0]] for one, other in names]))


def trends(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """How the best of nine columns falls over five rows: a table with clear peaks."""
    peaks, columns = np.array([7, 6, 4, 3, 1]), np.arange(9)
    true = 0.6 - 0.006 * abs(columns - peaks[:, None])
    table = [[world.row(value, world.seeds(seeds), share) for value in row] for row in true]
    return best_columns(table, world.repeated()), -1.0


def ranks(world: World, share: float, seeds: int) -> tuple[Interval, float]:
    """Two figures of a table of 5 x 9 cells, without relation, that hang on rows and columns."""
    rows, columns = np.arange(5).repeat(9), np.tile(np.arange(9), 5)
    first, second = (
        world.rng.normal(size=5)[rows] + world.rng.normal(size=9)[columns] + world.rng.normal(size=45) for _ in range(2)
    )
    return rank_correlation(first, second, [rows, columns]), 0.0


@dataclass(frozen=True)
class Design:
    """A way to make an interval: of what, over how many seeds, and how much of a seed's luck its rows share."""

    figure: str
    words: str
    make: Callable[[World, float, int], tuple[Interval, float]]
    share: float = 0.0
    seeds: int = 1


def all_designs() -> list[Design]:
    means = {
        "mean over 32 pairs of one teacher each": pairs_of_one_teacher,
        "mean over 64 pairs of two teachers each": pairs_of_two_teachers,
        "difference of losses, 32 pairs": losses,
    }
    made = [
        Design("means over pairs", f"{words}, {_seeds(seeds)}, shared {share:g}", make, share, seeds)
        for (words, make), seeds, share in product(means.items(), (1, 3), (0.0, 0.7, 1.0))
    ]
    made += [
        Design("seed by seed, a teacher's luck", f"{_seeds(seeds)}, shared {share:g}", seed_by_seed, share, seeds)
        for seeds, share in product((3, 5), (0.0, 0.7))
    ]
    return [
        *made,
        Design("choices", "judged at 7 seeds that did not choose", chosen_and_judged_apart, seeds=7),
        Design("choices", "judged at the 3 seeds that chose: may not hold", chosen_and_judged_alike, seeds=3),
        Design("harmonic scores", "one row", one_score),
        Design("harmonic scores", "mean over 16 pairs", pairs_of_scores),
        Design("harmonic scores", "lead of the best row", leads),
        Design("orders", "falling best columns, 3 seeds", trends, seeds=3),
        Design("orders", "rank correlation of 5 x 9 cells", ranks),
    ]


def _seeds(number: int) -> str:
    return "one seed" if number == 1 else f"{number} seeds"


def simulate(replications: int = 1000, seed: int = 0, designs: Iterable[Design] | None = None) -> pd.DataFrame:
    """Counts how often each design's interval holds the truth. A row per design: `figure`, `design`, and what
    `coverage.counted` counts. KdlibError where a number makes no simulation."""
    for name, value, least in [("replications", replications, 1), ("seed", seed, 0)]:
        if value < least:
            raise KdlibError(f"{name} is {value}: give {least} or more.")
    designs = all_designs() if designs is None else designs
    return pd.DataFrame([_result(design, number, replications, seed) for number, design in enumerate(designs)])


def _result(design: Design, number: int, replications: int, seed: int) -> dict:
    worlds = (World(np.random.default_rng([seed, number, each])) for each in range(replications))
    intervals, truths = zip(*(design.make(world, design.share, design.seeds) for world in worlds), strict=True)
    return {"figure": design.figure, "design": design.words} | counted(intervals, np.array(truths))
