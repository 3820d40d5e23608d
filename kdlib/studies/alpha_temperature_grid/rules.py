"""What decides the claims, which were read off the source's table of 45 students."""

import numpy as np
from scipy import stats

from kdlib import draws
from kdlib.intervals.comparisons import TAILS, TEST_IMAGES_ONLY, Interval
from kdlib.intervals.measurements import average
from kdlib.intervals.verdicts import (
    HOLDS,
    NOT_DEFINED,
    Rows,
    Verdict,
    above,
    all_of,
    below,
    choose,
    difference,
    measured,
    need,
    noise_of,
    points,
    within,
)
from kdlib.studies.alpha_temperature_grid.rows import BASELINE, TEACHER, Row, study

ALPHAS = (0.1, 0.25, 0.5, 0.75, 0.9)  # of the source
TEMPERATURES = (1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 40.0, 50.0)
NO_DIFFERENCE = 0.005  # half a point


@study.claim("D1")
def d1(rows: Rows) -> Verdict:
    """The best cell of the grid beats the baseline: best on held-out images, compared on test images."""
    cells = need(rows, _cells())
    need(rows, [BASELINE])
    choice = choose(rows, cells)
    gain = difference(choice.rows, choice.row, BASELINE)
    return choice.says(above(0)(gain), f"{choice.row} minus baseline: {points(gain)}")


@study.claim("D2")
def d2(rows: Rows) -> Verdict:
    """The larger alpha, the lower its best temperature: Spearman's correlation over resampled images and trainings."""
    table = [measured(rows[cell], "accuracy") for cell in need(rows, _cells())]
    means = [average(row.values()) for row in table]
    values, replicates = np.array([mean.value for mean in means]), np.stack([mean.replicates for mean in means])
    noise = noise_of(rows, "accuracy")
    if noise:
        count = replicates.shape[1]
        spread = noise.drawn(count, "accuracy")
        luck = [draws.normal(count, "training noise", number) / np.sqrt(len(row)) for number, row in enumerate(table)]
        replicates += spread * np.stack(luck)
    found = np.reshape(values, (len(ALPHAS), -1)).argmax(1)
    best = "best T by alpha: " + ", ".join(f"{a:g}: {TEMPERATURES[i]:g}" for a, i in zip(ALPHAS, found, strict=True))
    if len({*found}) == 1:  # a rank correlation with a constant
        return Verdict(NOT_DEFINED, f"the best T is the same for all alpha; {best}")
    trends = _trend(replicates)
    kind = "test images and training" if noise else TEST_IMAGES_ONLY
    trend = Interval(_trend(values[:, None])[0], *np.nanquantile(trends, TAILS), kind)
    flat = np.isnan(trends).mean()
    text = f"rank correlation {trend.estimate:+.2f} (95%: {trend.low:+.2f} to {trend.high:+.2f}; {kind}); {best}"
    return Verdict(below(0)(trend), f"{text}; not defined in {100 * flat:.0f} % of replicates")


@study.claim("D3")
def d3(rows: Rows) -> Verdict:
    """At alpha .1 the temperature makes no difference: no cell differs from the plain student by half a point."""
    cells = need(rows, [Row("cell", ALPHAS[0], t) for t in TEMPERATURES])
    need(rows, [BASELINE])
    gains = [difference(rows, cell, BASELINE) for cell in cells]
    widest = max(gains, key=lambda gain: max(abs(gain.low), abs(gain.high)))
    near = sum(within(NO_DIFFERENCE)(gain) == HOLDS for gain in gains)
    text = f"{near} of 9 cells within half a point of the baseline; the one that may differ most: {points(widest)}"
    return Verdict(all_of(map(within(NO_DIFFERENCE), gains)), text)


@study.claim("D4")
def d4(rows: Rows) -> Verdict:
    """A network distilled from itself does not beat its teacher, in both of the source's rows."""
    need(rows, [TEACHER])
    selves = need(rows, [Row("self-distilled", 0.5, 10.0), Row("self-distilled", 0.9, 5.0)])
    gains = {name: difference(rows, name, TEACHER) for name in selves}
    text = "; ".join(f"{name} minus teacher: {points(gain)}" for name, gain in gains.items())
    return Verdict(all_of(map(below(0), gains.values())), text)


def _cells() -> list[Row]:
    return [Row("cell", alpha, temperature) for alpha in ALPHAS for temperature in TEMPERATURES]


def _trend(accuracies: np.ndarray) -> np.ndarray:
    """Spearman's correlation of alpha and its best temperature, for each column of (45, n); NaN where all are equal."""
    best = accuracies.reshape(len(ALPHAS), len(TEMPERATURES), -1).argmax(1)
    ranks = stats.rankdata(best, axis=0) - (len(ALPHAS) + 1) / 2
    alphas = np.arange(len(ALPHAS)) - (len(ALPHAS) - 1) / 2
    scale = np.sqrt((ranks**2).sum(0) * (alphas**2).sum())
    return np.divide(alphas @ ranks, scale, out=np.full(len(scale), np.nan), where=scale > 0)
