"""What decides the claims, which were read off the source's table of 45 students."""

import numpy as np

from kdlib.intervals import average, best_columns
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
    cells = need(rows, _cells())
    accuracies = np.reshape([measured(rows[cell], "accuracy") for cell in cells], (len(ALPHAS), -1))
    means = [[average(cell.values()).value for cell in row] for row in accuracies]
    best = [f"{a:g}: {TEMPERATURES[i]:g}" for a, i in zip(ALPHAS, np.argmax(means, axis=1), strict=True)]
    trend, by_alpha = best_columns(accuracies, noise_of(rows, "accuracy")), f"best T by alpha: {', '.join(best)}"
    if np.isnan(trend.estimate):  # a rank correlation with a constant
        return Verdict(NOT_DEFINED, f"the best T is the same for all alpha; {by_alpha}")
    ends = f"rank correlation {trend.estimate:+.2f} (95%: {trend.low:+.2f} to {trend.high:+.2f}; {trend.kind})"
    return Verdict(below(0)(trend), f"{ends}; {by_alpha}")


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
