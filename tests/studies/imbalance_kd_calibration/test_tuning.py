"""Step sizes and weights: what held-out images choose, and how that fares, by hand."""

import math

import pytest
from long_tails import TABLE, OfRows, exactly
from scipy.stats import t

from kdlib.studies.imbalance_kd_calibration import Row, Variant, tuning

BS = "balanced_softmax"


def variant(role, method, divisor=1, lr=0.1, data="cifar10"):
    return Variant(role, data, 100.0, method, BS, lr=lr, divisor=float(divisor))


def of_tried(*settings):
    """Rows by method, divisor, step size, and accuracy in percent on held-out and on test images."""
    return OfRows(
        {variant("tried", *what): exactly(test / 100, held_out=held_out / 100) for *what, held_out, test in settings}
    )


TRIED = of_tried(
    ("baseline", 1, 0.1, 60, 70),
    ("baseline", 1, 0.4, 62, 50),
    ("baseline", 1, 0.8, 61, 80),
    ("crd", 1, 0.1, 50, 90),
    ("crd", 1, 0.8, 51, 90),
    ("crd", 4, 0.1, 55, 10),
    ("crd", 4, 0.4, 65, 20),
)


def test_every_setting_that_was_tried_has_a_line():
    found = tuning.tried(TRIED)
    assert list(found) == ["panel", "method", "weight", "lr", "held_out", "accuracy"] and len(found) == 7
    assert found.iloc[1].tolist() == ["CIFAR-10, IF 100", "baseline", 1.0, 0.4, pytest.approx(62), pytest.approx(50)]
    assert found.iloc[6].tolist() == ["CIFAR-10, IF 100", "CRD", 0.25, 0.4, pytest.approx(65), pytest.approx(20)]


def test_held_out_images_choose_and_test_images_do_not():
    assert tuning.chosen(TRIED) == {
        "baseline": variant("tried", "baseline", 1, 0.4),
        "crd": variant("tried", "crd", 4, 0.4),
    }


def test_several_data_sets_choose_together():
    rows = {
        variant("tried", "kd", divisor, 0.1, data): exactly(0.5, held_out=held_out)
        for (divisor, data), held_out in {
            (1, "cifar10"): 0.90, (4, "cifar10"): 0.88, (1, "cifar100"): 0.30, (4, "cifar100"): 0.40,
        }.items()
    }  # fmt: skip
    (best,) = tuning.chosen(OfRows(rows)).values()
    assert best.divisor == 4  # .64 beside .60 in the mean, though the best single row has 1


def test_the_choice_says_what_lies_at_the_end_of_the_step_sizes():
    tuned = {"baseline": [1, 0.4], "crd": [4, 0.4]}
    assert tuning.choice(TRIED, tuned) == (
        "Held-out images choose: baseline step size 0.4 (of 3 settings); "
        "CRD 1/4 of the customary weight, step size 0.4 (of 4 settings). "
        "At the end of the step sizes tried: CRD."  # with this weight; others were tried further
    )


@pytest.mark.parametrize(
    ("tuned", "otherwise"),
    [
        ({"baseline": [1, 0.4], "crd": [1, 0.8]}, "CRD"),
        ({"baseline": [1, 0.8], "crd": [4, 0.4]}, "baseline"),
        ({"crd": [4, 0.4]}, "baseline"),
        ({}, "baseline and CRD"),
    ],
)
def test_the_choice_says_where_tuned_says_otherwise(tuned, otherwise):
    assert tuning.choice(TRIED, tuned).endswith(f"The parameter `tuned` says otherwise for {otherwise}.")


def test_nothing_tried_and_nothing_tuned():
    plain = OfRows({Row("baseline", *TABLE, student_objective=BS): exactly(0.5)})
    assert tuning.choice(plain, {"kd": [1, 0.1]}) == "No other step size or weight was tried."
    assert tuning.tried(plain).empty and tuning.chosen(plain) == {}
    gains = tuning.gains(plain)
    assert gains.empty and tuning.rows(plain).empty and tuning.headline(gains) == {}
    assert tuning.verdict(gains, plain) == "No tuned row was measured."


BASELINE, ABLATION = variant("tuned", "baseline", 1, 0.4), variant("tuned", "ablation", 1, 0.8)
CRD, KD = variant("tuned", "crd", 40, 0.8), variant("tuned", "kd", 0.5, 0.2)
TUNED = {
    BASELINE: exactly(0.49, 0.58, 0.67),
    ABLATION: exactly(0.48, 0.58, 0.68),
    CRD: exactly(0.50, 0.60, 0.70, ece=0.12),
    KD: exactly(0.47, 0.56, 0.65),
}
HALF = t.ppf(0.975, 2) / math.sqrt(3)  # of CRD minus the baseline, in points: 1, 2 and 3 seed by seed


def test_gains_over_the_tuned_rivals_seed_by_seed():
    found = tuning.gains(OfRows(TUNED))
    lines = found[found["metric"] == "accuracy"].set_index(["factor", "label"])[["estimate", "low", "high"]]
    assert lines.index.tolist() == [
        (f"tuned, against the tuned {rival}", method)
        for rival in ("ablation", "baseline")
        for method in ("CRD", "vanilla KD")
    ]
    assert lines["estimate"].tolist() == pytest.approx([2, -2, 2, -2])
    over_baseline = lines.loc[("tuned, against the tuned baseline", "CRD")].tolist()
    assert over_baseline == pytest.approx([2, 2 - HALF, 2 + HALF])
    assert lines.loc[("tuned, against the tuned ablation", "CRD"), "low"] == pytest.approx(2)  # 2 at every seed
    eces = found[found["metric"] == "ece"]["estimate"].tolist()
    assert eces == pytest.approx([0.02, 0, 0.02, 0]) and set(found["panel"]) == {"CIFAR-10, IF 100"}


def test_gains_hold_the_luck_of_the_teacher():
    plain = Row("student", *TABLE, "kd", BS, BS)
    others = {seed: Variant("other teacher", *TABLE, "kd", BS, teacher_seed=seed) for seed in (1, 2)}
    rows = TUNED | {plain: exactly(0.5), others[1]: exactly(0.53), others[2]: exactly(0.47)}
    found = tuning.gains(OfRows(rows))
    line = found[(found["metric"] == "accuracy") & (found["label"] == "CRD")].iloc[1]
    training, luck = 0.01**2 / 3, 0.03**2
    degrees = (training + luck) ** 2 / (training**2 / 2 + luck**2 / 2)
    half = 100 * t.ppf(0.975, degrees) * math.sqrt(training + luck)
    assert line[["low", "high"]].tolist() == pytest.approx([2 - half, 2 + half])


def test_without_a_tuned_rival_there_is_no_gain_over_it():
    found = tuning.gains(OfRows({CRD: TUNED[CRD], ABLATION: TUNED[ABLATION]}))
    assert set(found["factor"]) == {"tuned, against the tuned ablation"} and tuning.headline(found) == {}


def test_tuned_rows_that_ran_once_tell_nothing_apart():
    results = OfRows({CRD: exactly(0.52), BASELINE: exactly(0.50)})
    found = tuning.gains(results)
    assert found["estimate"].iloc[0] == pytest.approx(2) and found[["low", "high"]].isna().all(axis=None)
    assert tuning.verdict(found, results) == (
        "CIFAR-10, IF 100: against the baseline, CRD +2.0. Accuracy in points, 1 seed each, one teacher."
    )


def test_the_tuned_rows_and_what_is_said_of_them():
    results = OfRows(TUNED)
    table = tuning.rows(results).set_index("method")
    assert table.index.tolist() == ["baseline", "ablation", "CRD", "vanilla KD"]
    assert table.loc["CRD", ["weight", "step size", "repeats"]].tolist() == [1 / 40, 0.8, 3]
    assert table.loc["CRD", ["accuracy %", "ece"]].tolist() == pytest.approx([60, 0.12])
    gains = tuning.gains(results)
    ends = f"({2 - HALF:+.1f} to {2 + HALF:+.1f})"
    over_baseline = f"CRD +2.0 {ends}, vanilla KD -2.0 (-2.0 to -2.0)"
    assert tuning.headline(gains) == {"CIFAR-10, IF 100: tuned, points over the tuned baseline": over_baseline}
    said = tuning.verdict(gains, results)
    assert said.startswith("CIFAR-10, IF 100: against the ablation, CRD +2.0 (+2.0 to +2.0), vanilla KD -2.0 (")
    assert said.endswith(f"against the baseline, {over_baseline}. Accuracy in points, 3 seeds each, one teacher.")
