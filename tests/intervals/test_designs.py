"""How often the intervals of whole designs hold the truth."""

import numpy as np
import pytest

from kdlib.intervals import comparisons, designs
from kdlib.intervals.designs import SIZES, Design, World, all_designs, simulate
from kdlib.registry import KdlibError

COUNTED = ["coverage %", "from %", "to %", "above %", "below %", "mean width"]


def made_by(name):
    """The first design of each of these functions."""
    return next(design for design in all_designs() if design.make is getattr(designs, name))


@pytest.fixture(scope="module")
def twice():
    """Every design, two replications."""
    return simulate(2)


def test_every_design_has_a_line(twice):
    assert twice.columns.tolist() == ["figure", "design", *COUNTED]
    assert list(zip(twice["figure"], twice["design"], strict=True)) == [(d.figure, d.words) for d in all_designs()]
    assert not twice.duplicated(["figure", "design"]).any()
    assert twice["coverage %"].isin([0, 50, 100]).all() and (twice["mean width"] > 0).all()
    assert (twice["coverage %"] + twice["above %"] + twice["below %"] == 100).all()


def test_a_simulation_follows_its_seed():
    few = [made_by("pairs_of_one_teacher"), made_by("ranks")]
    once, again, other = (simulate(2, seed, few) for seed in (0, 0, 1))
    assert once.equals(again)
    assert (once["mean width"] != other["mean width"]).all()


@pytest.mark.parametrize("wrong", [{"replications": 0}, {"seed": -1}])
def test_what_makes_no_simulation_is_said(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(KdlibError, match=f"{name} is {value}: give"):
        simulate(**{"replications": 1} | wrong)


def as_if_each_pair_had_luck_of_its_own(world, share, seeds):
    """Pairs without any effect, by an interval over their spread alone."""
    sides = world.seeds(seeds), world.seeds(seeds)
    pairs = [[world.row(0.5, side, share) for side in sides] for _ in range(32)]
    return comparisons.mean_difference(pairs), 0.0


def with_the_noise_of_a_seed(world, share, seeds):
    """The same pairs, by ours."""
    sides = world.seeds(seeds), world.seeds(seeds)
    pairs = [[world.row(0.5, side, share) for side in sides] for _ in range(32)]
    return comparisons.mean_difference(pairs, noise=world.repeated()), 0.0


def test_a_wrong_interval_is_caught():
    """All pairs share one seed, of .7 points: their spread is that of the test images alone."""
    made = [as_if_each_pair_had_luck_of_its_own, with_the_noise_of_a_seed]
    wrong, ours = simulate(80, designs=[Design("means", make.__doc__, make, share=1.0) for make in made])["coverage %"]
    assert wrong < 50
    assert ours > 95 - 4 * (95 * 5 / 80) ** 0.5


def test_a_choice_is_judged_apart_or_not_at_all():
    apart, alike = simulate(40, designs=[made_by(f"chosen_and_judged_{way}") for way in ("apart", "alike")]).iloc
    assert apart["coverage %"] > 95 - 4 * (95 * 5 / 40) ** 0.5
    assert alike["above %"] > alike["below %"]  # it looks better than it is


def test_rows_of_one_side_share_as_much_of_a_seeds_luck_as_is_said():
    world = World(np.random.default_rng(0))
    seeds = world.seeds(1500)
    assert seeds.std() == pytest.approx(SIZES.seed, rel=0.1)
    for share in (0.0, 0.7, 1.0):
        first, second = ([one.value for one in world.row(0.5, seeds, share).values()] for _ in range(2))
        in_all = SIZES.seed**2 + SIZES.own_images**2
        assert np.cov(first, second) / in_all == pytest.approx(
            np.array([[1, share * SIZES.seed**2 / in_all], [share * SIZES.seed**2 / in_all, 1]]), abs=0.12
        )


def test_training_noise_is_found_as_large_as_it_was_made():
    world = World(np.random.default_rng(1))
    noise = world.repeated(rows=150)
    assert noise.variance == pytest.approx(SIZES.seed**2, rel=0.2)
    assert (noise.degrees_of_freedom, noise.rows) == (600, 150)


@pytest.mark.parametrize(
    ("maker", "width"),
    [
        ("pairs_of_one_teacher", 0.0766846227),
        ("pairs_of_two_teachers", 0.0436375612),
        ("losses", 0.0646819411),
        ("seed_by_seed", 0.0671248045),
        ("chosen_and_judged_apart", 0.0168607029),
        ("chosen_and_judged_alike", 0.0200277312),
        ("one_score", 0.3419675348),
        ("pairs_of_scores", 0.4530634221),
        ("leads", 0.4801767523),
        ("trends", 0.1639592004),
        ("ranks", 1.0265955529),
    ],
)
def test_an_unchanged_version_gives_unchanged_figures(maker, width):
    """Stored simulations are found by their version: what changes a figure raises it."""
    assert designs.VERSION == 1
    assert simulate(2, 0, [made_by(maker)])["mean width"].item() == pytest.approx(width, rel=1e-6)
