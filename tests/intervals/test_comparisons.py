import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kdlib.intervals import comparisons
from kdlib.intervals.comparisons import (
    ONE_SEED,
    TEST_IMAGES_ONLY,
    Interval,
    difference,
    interval,
    mean_difference,
)
from kdlib.intervals.measurements import Measurement, unbiased
from kdlib.intervals.noise import TrainingNoise, training_noise
from kdlib.registry import KdlibError

IMAGES = np.random.default_rng(0).normal(0, 0.01, 500)  # what the test images do to everyone


def measured(value, replicates=IMAGES, **more):
    return replace(unbiased(value, value + replicates), **more)


def ends(found):
    return found.estimate, found.low, found.high


def row(*values, seed=None, first=0):
    """Repeats with noise of images in common, and with some of their own if there is a seed."""
    own = np.random.default_rng(seed).normal(0, 0.008, (len(values), 500)) if seed is not None else np.zeros(500)
    return dict(enumerate(map(measured, values, np.broadcast_to(IMAGES + own, (len(values), 500))), start=first))


def test_one_run_without_training_noise_is_percentiles_and_decides_nothing():
    found = interval({0: measured(0.7)})
    assert found.estimate == 0.7
    expected = 0.7 + np.quantile(IMAGES - IMAGES.mean(), [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(expected))
    assert found.kind == TEST_IMAGES_ONLY
    assert not found.decides


def test_repeats_that_share_their_images_add_both_variances():
    values = np.array([0.70, 0.72, 0.71])
    found = interval(row(*values))
    training, images = values.var(ddof=1) / 3, IMAGES.var(ddof=1)
    freedom = (training + images) ** 2 / (training**2 / 2)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(training + images)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.71, 0.71 - half, 0.71 + half))
    assert found.decides
    assert "3 repeats" in found.kind


def test_what_the_images_do_to_each_network_alone_is_not_counted_twice():
    own = np.random.default_rng(1).normal(0, 0.01, (2000, 500))
    values = own[:, 0]  # differ by nothing but the images
    rows = [dict(enumerate(map(measured, values[i : i + 5], own[i : i + 5]))) for i in range(0, 2000, 5)]
    noise = training_noise(rows)
    assert noise.observed == pytest.approx(1e-4, rel=0.1)
    assert noise.variance < 1e-5
    assert (noise.degrees_of_freedom, noise.rows) == (1600, 400)


def test_pooled_training_noise_weighs_rows_by_their_freedom():
    rows = [row(0.1, 0.3, 0.2), row(0.5, 0.9), row(0.7)]
    noise = training_noise(rows)
    assert noise.observed == pytest.approx((2 * 0.01 + 1 * 0.08) / 3)
    assert noise.variance == pytest.approx(noise.observed)
    assert (noise.degrees_of_freedom, noise.rows) == (3, 2)
    assert training_noise([row(0.7)]) is None


def test_a_single_run_borrows():
    noise = TrainingNoise(0.025**2, 0.025**2 - 0.02**2, 4, 1)
    found = interval(row(0.7), noise)
    variance = IMAGES.var(ddof=1) + 0.02**2
    half = stats.t.ppf(0.975, variance**2 / (0.025**4 / 4)) * math.sqrt(variance)
    assert (found.low, found.high) == pytest.approx((0.7 - half, 0.7 + half))
    assert found.decides
    assert "borrowed from 1 repeated" in found.kind


def test_three_repeats_stand_on_their_own():
    three = row(0.7, 0.71, 0.73)
    assert interval(three, TrainingNoise(1, 0, 4, 1)) == interval(three)


def test_paired_repeats_cancel_what_they_share():
    luck = [0.70, 0.76, 0.73]
    ours, plain = row(*[value + 0.01 for value in luck]), row(*luck)
    paired = difference(ours, plain)
    assert (paired.low, paired.high) == pytest.approx((0.01, 0.01))
    apart = difference(row(*[value + 0.01 for value in luck], first=3), plain)
    assert apart.estimate == pytest.approx(0.01)
    assert apart.high - apart.low > 0.05


def test_difference_of_one_and_five_repeats_by_hand():
    plain, noise = row(0.70, 0.72, 0.71, 0.69, 0.73, seed=1), TrainingNoise(2e-4, 1e-4, 4, 1)
    own = training_noise([plain])
    found = difference({0: measured(0.75)}, plain, noise)
    images = (IMAGES - np.mean([one.replicates for one in plain.values()], axis=0)).var(ddof=1)
    variance = images + 1e-4 + own.variance / 5
    freedom = variance**2 / ((2e-4) ** 2 / 4 + (own.observed / 5) ** 2 / 4)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.04, 0.04 - half, 0.04 + half))


def test_two_pairs_or_groups_decide_nothing():
    """Two that are alike by chance would make an interval of one degree of freedom short."""
    pairs = [(row(0.70 + by, seed=int(1000 * by)), row(0.65, seed=9)) for by in (0.0, 0.001, 0.05)]
    noise = TrainingNoise(1e-4, 0.0, 4, 1)
    assert mean_difference(pairs, noise=noise).decides and mean_difference(pairs, "abc", noise).decides
    assert not mean_difference(pairs[:2], noise=noise).decides
    assert not mean_difference(pairs, "aab", noise).decides


def test_an_estimate_that_both_rows_borrow_errs_once():
    """Were it counted as two independent ones, a difference would have 8 degrees of freedom, and cover 91.8%."""
    still = np.zeros(500)
    noise = TrainingNoise(1e-4, 0.0, 4, 1)
    found = difference({0: measured(0.75, still)}, {0: measured(0.7, still)}, noise)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, 4) * math.sqrt(2e-4))
    lender = {repeat: measured(value, still) for repeat, value in enumerate([0.70, 0.72, 0.71, 0.69, 0.73])}
    own = training_noise([lender])
    found = difference({0: measured(0.75, still)}, lender, own)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, 4) * math.sqrt(own.variance * 1.2))


@pytest.mark.parametrize("noise", [None, TrainingNoise(2e-4, 1e-4, 4, 2)])
def test_difference_is_antisymmetric(noise):
    this, that = row(0.7, 0.72, seed=1), row(0.6, 0.61, seed=2)
    forth, back = difference(this, that, noise), difference(that, this, noise)
    assert (forth.estimate, forth.low, forth.high) == pytest.approx((-back.estimate, -back.high, -back.low))
    assert forth.kind == back.kind


def test_difference_to_itself_is_nothing():
    this = row(0.7, 0.72, 0.73, seed=1)
    assert ends(difference(this, this)) == (0, 0, 0)


def test_two_networks_that_answer_alike_still_have_an_interval():
    """An ECE keeps its debiased bounds where the replicates leave nothing to be stretched."""
    ece = Measurement(0.02, 0.02 + IMAGES, debiased_low=0.01, debiased_high=0.019, debias_variance=1e-6)
    assert ends(difference({0: ece}, {0: ece})) == pytest.approx((0, -0.009, 0.009))


def test_difference_needs_the_training_noise_of_both():
    assert not difference(row(0.7), row(0.7, 0.71, 0.72)).decides


def test_pairs_are_each_others_noise():
    differences = [0.01, 0.03, 0.02, 0.04]
    pairs = [(row(0.5 + index / 10 + by), row(0.5 + index / 10)) for index, by in enumerate(differences)]
    found = mean_difference(pairs)
    half = stats.t.ppf(0.975, 3) * np.std(differences, ddof=1) / 2  # the images cancel
    assert (found.estimate, found.low, found.high) == pytest.approx((0.025, 0.025 - half, 0.025 + half))
    assert found.kind == ONE_SEED and not found.decides  # what a seed does to all of them is not known
    assert not mean_difference(pairs[:1]).decides


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_mean_over_pairs_carries_the_training_noise_of_one_pair(seeds):
    differences = [0.01, 0.03, 0.02, 0.04]
    pairs = [(row(*[0.5 + by] * seeds), row(*[0.5] * seeds)) for by in differences]
    found = mean_difference(pairs, noise=TrainingNoise(2e-4, 1e-4, 4, 7))
    pairwise = np.var(differences, ddof=1) / 4
    variance = pairwise + 2 * 1e-4 / seeds
    freedom = variance**2 / (pairwise**2 / 3 + (2 * 2e-4 / seeds) ** 2 / 4)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))
    assert found.decides and "noise borrowed from 7 repeated rows" in found.kind
    assert (ONE_SEED in found.kind) == (seeds == 1)


def test_rows_that_were_repeated_lend_their_pairs_the_noise():
    pairs = [(row(0.5 + by, 0.52 + by), row(0.5, 0.51)) for by in (0.01, 0.02, 0.03)]
    assert mean_difference(pairs) == mean_difference(pairs, noise=training_noise([r for pair in pairs for r in pair]))
    assert "2 seeds" in mean_difference(pairs).kind


def test_what_a_seed_does_to_one_side_of_a_factor_is_not_averaged_away():
    """Without any effect, 95% intervals hold 0 whether a seed's luck is a row's own or that of its whole side."""
    rng = np.random.default_rng(3)
    for share in (0.0, 0.7, 1.0):
        held = []
        for _ in range(150):
            common, own = rng.normal(0, 0.01, 2), rng.normal(0, 0.01, (16, 2))
            values = 0.5 + math.sqrt(share) * common + math.sqrt(1 - share) * own
            repeated = [dict(enumerate(map(measured, rng.normal(0.5, 0.01, 5)))) for _ in range(9)]
            pairs = [({0: measured(one)}, {0: measured(other)}) for one, other in values]
            found = mean_difference(pairs, noise=training_noise(repeated))
            held.append(found.low <= 0 <= found.high)
        assert np.mean(held) > 0.95 - 4 * (0.95 * 0.05 / 150) ** 0.5


def test_repeats_that_two_rows_share_are_paired():
    luck = [0.70, 0.76, 0.73, 0.75, 0.71]
    ours, baseline = row(*[value + 0.01 for value in luck[:3]]), row(*luck)
    for noise in (None, TrainingNoise(1e-2, 0.0, 4, 1)):
        found = difference(ours, baseline, noise)
        assert (found.low, found.high) == pytest.approx((0.01, 0.01)) and "3 repeats" in found.kind
    assert difference(row(0.71), baseline, TrainingNoise(1e-4, 0.0, 4, 1)).estimate == pytest.approx(-0.02)


def test_a_teachers_luck_widens():
    ours, baseline = row(0.71, 0.73, 0.72), row(0.70, 0.71, 0.72)
    own = training_noise([{r: ours[r] - baseline[r] for r in range(3)}])
    found = difference(ours, baseline, teacher=TrainingNoise(3e-4, 1e-4, 4, 2))
    variance = own.variance / 3 + 2e-4
    freedom = variance**2 / ((own.observed / 3) ** 2 / 2 + (3e-4) ** 2 / 4)
    assert found.half_width == pytest.approx(stats.t.ppf(0.975, freedom) * math.sqrt(variance))
    assert "a teacher's luck from 2 groups" in found.kind


def test_what_debiasing_adds_widens_and_averages_out():
    doubtful = {repeat: measured(0.02, debias_variance=IMAGES.var(ddof=1)) for repeat in range(2)}
    sure = {0: measured(0.02)}
    alone, without = (interval({0: one}) for one in (doubtful[0], sure[0]))
    assert alone.high - 0.02 == pytest.approx(math.sqrt(2) * (without.high - 0.02))
    half = stats.norm.ppf(0.975) * math.sqrt(1.5 * IMAGES.var(ddof=1))
    assert interval(doubtful).high == pytest.approx(0.02 + half)


def test_ends_stay_where_the_metric_can_be():
    found = interval({repeat: measured(value, ceiling=1.0) for repeat, value in enumerate((0.99, 0.98, 1.0))})
    assert found.high == 1
    assert interval(row(0.01, 0.02, 0.0)).low == 0
    below = Measurement(0.0, IMAGES * 1e-3, -0.02, -0.01)  # an ECE of nothing but noise
    for found in (interval({0: below}), interval({0: below}, TrainingNoise(1e-8, 0.0, 4, 1))):
        assert (found.low, found.high) == (0, 0)


def test_a_row_that_is_always_right_has_no_width():
    perfect = {repeat: measured(1.0, np.zeros(500), ceiling=1.0) for repeat in range(3)}
    assert ends(interval(perfect)) == (1, 1, 1)
    assert ends(interval({0: perfect[0]}, TrainingNoise(1e-4, 1e-4, 4, 1))) == (1, 1, 1)


def test_what_is_missing_is_said():
    with pytest.raises(KdlibError, match="not measured"):
        interval({})


def test_alike_networks_with_large_training_noise_still_have_an_interval():
    """The images take nearly all of the variance between repeats off; the interval is that of one degree of freedom."""
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 1e-2, 500)
    rows = [{0: unbiased(v, v + shared + rng.normal(0, 1e-6, 500))} for v in (0.5, 0.501)]
    noise = TrainingNoise(observed=1e-4, images=1e-4 - 1e-9, degrees_of_freedom=4, rows=1)
    found = difference(*rows, noise)
    variance = (rows[0][0].replicates - rows[1][0].replicates).var(ddof=1) + 2e-9
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.975, 1) * variance**0.5, rel=1e-6)


def test_pairs_with_a_common_rival_have_its_luck_in_common():
    """Without any effect, 95% intervals over the rivals' means hold 0; over all pairs as if independent they do not."""

    def one(value):
        return {0: unbiased(value, np.full(9, value))}

    rng, held = np.random.default_rng(2), {"alone": [], "clustered": []}
    for _ in range(300):
        rivals = rng.normal(0.7, 0.01, 8).repeat(4)
        pairs = [(one(0.7 + luck), one(rival)) for luck, rival in zip(rng.normal(0, 0.003, 32), rivals, strict=True)]
        for way, clusters in [("alone", None), ("clustered", list(rivals))]:
            found = mean_difference(pairs, clusters, TrainingNoise(1e-12, 0.0, 4, 1))
            held[way].append(found.low <= 0 <= found.high)
    assert abs(np.mean(held["clustered"]) - 0.95) < 4 * (0.95 * 0.05 / 300) ** 0.5
    assert np.mean(held["alone"]) < 0.85
    assert "8 groups of pairs" in found.kind


def test_another_unit_keeps_what_an_interval_takes_into_account():
    assert Interval(0.5, 0.25, 0.75, "3 repeats").scaled(100) == Interval(50, 25, 75, "3 repeats")


def test_records_are_compared_without_torch():
    """For machines that judge or report what others have trained."""
    folder = Path(comparisons.__file__).parent
    records_alone = {path.stem for path in folder.glob("[!_]*.py")} - {"harmonic", "coverage", "designs", "population"}
    assert {"verdicts", "ranks", "best", "noise"} <= records_alone
    imports = ", ".join(f"kdlib.intervals.{name}" for name in sorted(records_alone))
    code = f"import sys, {imports}; sys.exit(bool({{'torch', 'scipy.stats', 'pandas'}} & {{*sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
