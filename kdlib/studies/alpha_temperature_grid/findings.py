"""What the study found, in words: one sentence opens each section of its report."""

import pandas as pd

from kdlib.intervals import rank_correlation
from kdlib.studies.alpha_temperature_grid.rows import BASELINE, TEACHER, Row
from kdlib.studies.results import Results, differences, held_out_best, one_of
from kdlib.studies.sentences import sentence
from kdlib.words import count


def best_cell(results: Results) -> Row | None:
    """The cell that is best on held-out images, by the mean over the seeds that all cells have; None where no
    cell is measured."""
    cells = results.of("cell")
    return held_out_best(results, cells) if cells else None


def worst_cell(results: Results) -> Row:
    """The cell that is worst on held-out images."""
    means = results.means.set_index("row")["held_out_accuracy"]
    return means[results.of("cell")].idxmin()


def at_a_glance(results: Results) -> str:
    """Which cell is best on held-out images, beside the baseline; what temperature scaling mends."""
    best, means = best_cell(results), results.means.set_index("row")
    if best is None:
        return "No cell of the grid was measured."
    cells = means.loc[results.of("cell")]
    beside = f", the baseline {means.loc[BASELINE, 'accuracy %']:.1f} %" if BASELINE in results.rows else ""
    return (
        f"The cell that is best on held-out images, {best.setting}, recognises {means.loc[best, 'accuracy %']:.1f} % "
        f"of the test images{beside}. One temperature fitted on balanced held-out images brings the mean ECE of all "
        f"cells from {cells['ece'].mean():.3f} to {cells['scaled_ece'].mean():.3f}."
    )


def gains(results: Results) -> pd.DataFrame:
    """A line per cell and metric: cell minus baseline in shown units, labelled by its setting."""
    cells = results.of("cell") if BASELINE in results.rows else []
    return differences(
        ("cell minus baseline", cell.setting, {m: results.difference(cell, BASELINE, m) for m in ("accuracy", "ece")})
        for cell in cells
    )


def against_baseline(gains: pd.DataFrame) -> str:
    """In how many cells accuracy and ECE can be told from the baseline's, and to which side."""
    said = []
    for metric, title in [("accuracy", "accuracy"), ("ece", "ECE")]:
        of_metric = gains[gains["metric"] == metric]
        more, less = (of_metric["low"] > 0).sum(), (of_metric["high"] < 0).sum()
        said.append(f"{title} is higher than the baseline's in {more} of {len(of_metric)} cells and lower in {less}")
    return sentence("; ".join(said)) if len(gains) else "No cell stands beside a baseline."


def band(results: Results) -> str:
    """The caption of the lines: how the cells lie to the range of the baseline's repeats."""
    runs, means = results.measured, results.means
    plain, cells = runs.loc[runs["role"] == "baseline", "accuracy %"], means.loc[means["role"] == "cell", "accuracy %"]
    return (
        f"The band is the range of {count(len(plain), 'baseline run')} ({plain.min():.2f} to {plain.max():.2f} %), "
        f"which differ in their seeds only: {(cells > plain.max()).sum()} of {len(cells)} cells lie above it in "
        f"accuracy, {(cells < plain.min()).sum()} below. Bars are 95% intervals of each cell; dotted, the same "
        "objective with the teacher's term left out."
    )


def teacher_effects(results: Results, temperatures: list[float], similarity_weight: float) -> pd.DataFrame:
    """What the factor T², the teacher at the lowest and the highest temperature, and similarities add, in points and
    ECE: a line per block, setting and metric. At the lowest temperature the teacher also stands beside the ablation
    whose step makes up for its small labels, and beside the baseline."""
    lowest, ablations = min(temperatures, default=None), results.of("ablation")
    compared = [
        ("factor T², against the same cell", row.setting, row, Row("cell", row.alpha, row.temperature))
        for row in results.of("with T²")
    ]
    compared += [
        (f"teacher at T {t:g}, against its ablation", f"α {row.alpha:g}", Row("cell", row.alpha, t), row)
        for t in sorted({*temperatures} & {max(temperatures, default=None), lowest}, reverse=True)
        for row in ablations
    ]
    compared += [
        (f"teacher at T {lowest:g}, against {words}", f"α {row.alpha:g}", Row("cell", row.alpha, lowest), other)
        for row in results.of("ablation at full step")
        for words, other in [("its ablation at full step", row), ("the baseline", BASELINE)]
        if temperatures
    ]
    similar = Row("similarity-preserving")
    compared.append(("similarity-preserving, against baseline", f"weight {similarity_weight:g}", similar, BASELINE))
    return differences(
        (block, label, {m: results.difference(first, second, m) for m in ("accuracy", "ece")})
        for block, label, first, second in compared
        if results.rows.get(first, {}).keys() & results.rows.get(second, {}).keys()
    )


def networks(results: Results) -> dict[str, dict]:
    """The record of the first seed per role that figures show: baseline, best cell, worst cell, teacher."""
    chosen = {"baseline": BASELINE}
    if best := best_cell(results):
        chosen |= {"best cell": best, "worst cell": worst_cell(results)}
    chosen["teacher"] = TEACHER
    return {role: one_of(results.rows[row]) for role, row in chosen.items() if row in results.rows}


def pull(records: dict[str, dict]) -> str:
    """How hard the teacher's term pulls on the first batch, by the labels' term, in the best and the worst cell."""
    said = []
    for role in [role for role in ("best cell", "worst cell") if role in records]:
        labels, teacher = records[role]["history"][0]["gradient_norms"]
        said.append(f"{teacher / labels:.2g} times the labels' in the {role}" if labels else f"alone in the {role}")
    return f"On the first batch the teacher's gradient is {' and '.join(said)}." if said else "No cell was measured."


def ranks(comparison: pd.DataFrame) -> str:
    """Whether gains over the baseline run alike here and in the source."""
    pairs = comparison.dropna(subset=["published gain", "our gain"])
    if len(pairs) < 4:
        return "Too few cells stand beside published ones to compare their order."
    found = rank_correlation(pairs["published gain"], pairs["our gain"], [pairs["alpha"], pairs["temperature"]])
    return (
        f"Gains over the baseline, published and ours, have a rank correlation of {found.estimate:+.2f} over "
        f"{len(pairs)} cells (95%: {found.low:+.2f} to {found.high:+.2f}, resampled by whole weights and temperatures, "
        "since neighbours on the grid are not independent)."
    )


def headline(results: Results) -> dict[str, str]:
    """What the index of reports says of the study."""
    means, said = results.means.set_index("row"), {}
    if TEACHER in results.rows:
        said["teacher"] = f"{means.loc[TEACHER, 'accuracy %']:.1f} %"
    if BASELINE in results.rows:
        said["baseline"] = f"{means.loc[BASELINE, 'accuracy %']:.1f} % ({len(results.rows[BASELINE])} repeats)"
    if best := best_cell(results):
        said["best cell on held-out images"] = f"{means.loc[best, 'accuracy %']:.1f} % at {best.setting}"
    return said
