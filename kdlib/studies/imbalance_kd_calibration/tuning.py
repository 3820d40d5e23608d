"""Step sizes and weights: what was tried, what held-out images chose, and how that fares at seeds which had no say."""

from collections.abc import Mapping, Sequence
from itertools import product

import pandas as pd

from kdlib.intervals import Interval, TrainingNoise, comparisons
from kdlib.intervals.verdicts import measured
from kdlib.studies.imbalance_kd_calibration.rows import UNTAUGHT, Variant, by_panel, stacked
from kdlib.studies.imbalance_kd_calibration.seeds import luck_of_teachers
from kdlib.studies.results import UNITS, Results, differences, held_out_best
from kdlib.studies.sentences import listing, sentence
from kdlib.words import count


def tried(results: Results) -> pd.DataFrame:
    """A line per setting that was tried, in words: panel, method, weight (times the customary one), lr, and the
    accuracy on held-out and on test images, in percent."""
    means = results.means.set_index("row")
    lines = [
        {
            "panel": row.panel,
            "method": row.word,
            "weight": 1 / row.divisor,
            "lr": row.lr,
            "held_out": 100 * means.loc[row, "held_out_accuracy"],
            "accuracy": means.loc[row, "accuracy %"],
        }
        for row in results.of("tried")
    ]
    return pd.DataFrame(lines, columns=["panel", "method", "weight", "lr", "held_out", "accuracy"])


def chosen(results: Results) -> dict[str, Variant]:
    """Of each method, the setting that is best on held-out images."""
    methods: dict[str, list[Variant]] = {}
    for row in results.of("tried"):
        methods.setdefault(row.method, []).append(row)
    return {method: held_out_best(results, rows) for method, rows in methods.items()}


def choice(results: Results, tuned: Mapping[str, Sequence[float]]) -> str:
    """What held-out images choose; which of the choices lie at the end of what was tried; and where the parameter
    `tuned`, a method's divisor and step size, says otherwise."""
    best = chosen(results)
    if not best:
        return "No other step size or weight was tried."
    said = [f"{row.word} {row.setting}" for row in best.values()]
    rates = {method: sorted(r.lr for r in results.of("tried") if r.method == method) for method in best}
    edge = [row.word for method, row in best.items() if row.lr in (rates[method][0], rates[method][-1])]
    other = [row.word for method, row in best.items() if [*tuned.get(method, [])] != [row.divisor, row.lr]]
    words = f"Held-out images choose: {'; '.join(said)}."
    words += f" At the end of the step sizes tried: {listing(edge)}." if edge else ""
    return words + (f" The parameter `tuned` says otherwise for {listing(other)}." if other else "")


def gains(results: Results) -> pd.DataFrame:
    """What each tuned method adds to the tuned ablation and to the tuned baseline, per `panel`: a line per method,
    rival and metric, seed by seed, with the luck of the one teacher."""
    luck = {metric: luck_of_teachers(results, metric) for metric in UNITS}
    found = {
        panel: differences(
            (
                f"tuned, against the tuned {rival}",
                methods[method].word,
                _differences(results, methods[method], methods[rival], luck),
            )
            for rival, method in product(UNTAUGHT[::-1], methods)
            if rival in methods and method not in UNTAUGHT
        )
        for panel, methods in _tuned(results).items()
    }
    return stacked(found, differences([]))


def _tuned(results: Results) -> dict[str, dict[str, Variant]]:
    """The tuned rows by table and method."""
    return {panel: {row.method: row for row in of} for panel, of in by_panel(results.of("tuned")).items()}


def _differences(
    results: Results, row: Variant, rival: Variant, luck: Mapping[str, TrainingNoise | None]
) -> dict[str, Interval]:
    each = {metric: [measured(results.rows[one], metric) for one in (row, rival)] for metric in UNITS}
    return {metric: comparisons.difference(*pair, teacher=luck[metric]) for metric, pair in each.items()}


def rows(results: Results) -> pd.DataFrame:
    """A line per tuned row, in words, with its setting and the means over its seeds."""
    means = results.means.set_index("row")
    figures = ["accuracy %", "ece", "ece_floor_95", "scaled_ece", "repeats"]
    lines = [
        {"panel": row.panel, "method": row.word, "weight": 1 / row.divisor, "step size": row.lr}
        | means.loc[row, figures].to_dict()
        for row in results.of("tuned")
    ]
    return pd.DataFrame(lines, columns=["panel", "method", "weight", "step size", *figures])


def verdict(gains: pd.DataFrame, results: Results) -> str:
    """Which tuned methods are told from the tuned baseline and ablation, and what the others could have hidden."""
    said = [
        f"{panel}: against the {rival}, {_told(lines)}"
        for (panel, factor), lines in gains[gains["metric"] == "accuracy"].groupby(["panel", "factor"], sort=False)
        for rival in [factor.rsplit(" ", 1)[1]]
    ]
    if not said:
        return "No tuned row was measured."
    seeds = {len(results.rows[row]) for row in results.of("tuned")}
    return f"{sentence('; '.join(said))} Accuracy in points, {count(min(seeds), 'seed')} each, one teacher."


def headline(gains: pd.DataFrame) -> dict[str, str]:
    """What the index of reports says of the tuned rows."""
    against = gains[(gains["metric"] == "accuracy") & gains["factor"].str.endswith("baseline")]
    return {
        f"{panel}: tuned, points over the tuned baseline": _told(lines)
        for panel, lines in against.groupby("panel", sort=False)
    }


def _told(lines: pd.DataFrame) -> str:
    return ", ".join(f"{r.label} {r.estimate:+.1f} ({r.low:+.1f} to {r.high:+.1f})" for r in lines.itertuples())
