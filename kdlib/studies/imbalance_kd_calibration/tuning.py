"""Step sizes and weights: what was tried, what held-out images chose, and how that fares at seeds which had no say."""

from collections.abc import Collection, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from kdlib.intervals import Interval, comparisons
from kdlib.intervals.verdicts import held_out_accuracy, measured
from kdlib.studies.imbalance_kd_calibration.effects import known, told
from kdlib.studies.imbalance_kd_calibration.rows import UNTAUGHT, Variant, by_panel, stacked
from kdlib.studies.imbalance_kd_calibration.seeds import luck_of_teachers
from kdlib.studies.results import UNITS, Results, differences
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
    """Of each method, the setting that is best on held-out images, in the mean over data sets if there are several."""
    return {method: _best(results, rows) for method, rows in _by_method(results).items()}


def _best(results: Results, rows: Collection[Variant]) -> Variant:
    return max(rows, key=lambda best: _on_held_out(results, [row for row in rows if row.setting == best.setting]))


def _on_held_out(results: Results, rows: Collection[Variant]) -> float:
    return float(np.mean([held_out_accuracy(results.rows[row]) for row in rows]))


def choice(results: Results, tuned: Mapping[str, Sequence[float]]) -> str:
    """What held-out images choose; which of the choices lie at the end of the step sizes tried with their weight; and
    where the parameter `tuned`, a method's divisor and step size, says otherwise."""
    every, best = _by_method(results), chosen(results)
    if not best:
        return "No other step size or weight was tried."
    said = [f"{row.word} {row.setting} (of {count(len(every[m]), 'setting')})" for m, row in best.items()]
    edge = [row.word for method, row in best.items() if row.lr in _ends(_rates(every[method], row.divisor))]
    other = [row.word for method, row in best.items() if [*tuned.get(method, [])] != [row.divisor, row.lr]]
    words = f"Held-out images choose: {'; '.join(said)}."
    words += f" At the end of the step sizes tried: {listing(edge)}." if edge else ""
    return words + (f" The parameter `tuned` says otherwise for {listing(other)}." if other else "")


def _by_method(results: Results) -> dict[str, list[Variant]]:
    methods: dict[str, list[Variant]] = {}
    for row in results.of("tried"):
        methods.setdefault(row.method, []).append(row)
    return methods


def _rates(rows: Collection[Variant], divisor: float) -> list[float]:
    return [row.lr for row in rows if row.divisor == divisor]


def _ends(values: Collection[float]) -> tuple[float, float]:
    return min(values), max(values)


def gains(results: Results) -> pd.DataFrame:
    """What each tuned method adds to the tuned ablation and to the tuned baseline, per `panel`: a line per method,
    rival and metric, seed by seed, with the luck of the one teacher."""
    found = {panel: differences(_gains(results, rows)) for panel, rows in by_panel(results.of("tuned")).items()}
    return stacked(found, differences([]))


def _gains(results: Results, tuned: Collection[Variant]) -> list[tuple[str, str, dict[str, Interval]]]:
    """As `differences` takes them, of the tuned rows of one table."""
    by_method = {row.method: row for row in tuned}
    rivals = [by_method[method] for method in reversed(UNTAUGHT) if method in by_method]
    taught = [row for row in tuned if row.method not in UNTAUGHT]
    return [
        (f"tuned, against the tuned {rival.method}", row.word, _difference(results, row, rival))
        for rival, row in product(rivals, taught)
    ]


def _difference(results: Results, row: Variant, rival: Variant) -> dict[str, Interval]:
    pairs = {metric: [measured(results.rows[each], metric) for each in (row, rival)] for metric in UNITS}
    luck = {metric: luck_of_teachers(results, row.data, metric) for metric in UNITS}
    return {metric: known(comparisons.difference(*pair, teacher=luck[metric])) for metric, pair in pairs.items()}


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
    accuracy = gains[gains["metric"] == "accuracy"]
    said = [
        f"{panel}: {factor.removeprefix('tuned, ').replace(' tuned', '')}, {', '.join(told(lines))}"
        for (panel, factor), lines in accuracy.groupby(["panel", "factor"], sort=False)
    ]
    if not said:
        return "No tuned row was measured."
    seeds = {len(results.rows[row]) for row in results.of("tuned")}
    return f"{sentence('; '.join(said))} Accuracy in points, {count(min(seeds), 'seed')} each, one teacher."


def headline(gains: pd.DataFrame) -> dict[str, str]:
    """What the index of reports says of the tuned rows."""
    against = gains[(gains["metric"] == "accuracy") & gains["factor"].str.endswith("baseline")]
    return {
        f"{panel}: tuned, points over the tuned baseline": ", ".join(told(lines))
        for panel, lines in against.groupby("panel", sort=False)
    }
