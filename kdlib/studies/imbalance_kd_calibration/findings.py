"""What the study found, in words: one sentence opens each section of its report."""

from collections.abc import Iterator, Mapping

import pandas as pd

from kdlib.intervals import Interval, rank_correlation
from kdlib.losses.contrastive import num_negatives
from kdlib.studies.calibration import eces
from kdlib.studies.imbalance_kd_calibration.published import result_files
from kdlib.studies.imbalance_kd_calibration.rows import METHOD
from kdlib.studies.sentences import called, listing

FEW = 4  # rows below which there is no rank correlation
NO_STUDENT = "No student was measured."
PUBLISHED_AND_OURS = {"accuracy": ("published %", "our %"), "ECE": ("published ECE", "our ECE")}


def _per_panel(said: Mapping[str, str], none: str = NO_STUDENT) -> str:
    """CIFAR-10, IF 50: this. CIFAR-10, IF 100: that."""
    return " ".join(f"{panel}: {sentence.removesuffix('.')}." for panel, sentence in said.items()) or none


def long_tail(data: str, counts: Mapping[float, list[int]], negatives: int) -> str:
    """The caption of a data set's classes; `negatives` of CRD per image, 0 without it, are fewer where there are too
    few images."""
    tails = [f"IF {f:g}: {sum(n):,} images, {n[0]:,} to {n[-1]:,} per class" for f, n in sorted(counts.items())]
    drawn = {num_negatives(negatives, sum(n)) for n in counts.values()} if negatives else set()
    crd = f" CRD draws {listing(f'{n:,}' for n in sorted(drawn))} negatives per image." if drawn else ""
    return f"{called(data)} as it was trained on; {'; '.join(tails)}.{crd}"


def tradeoff(means: pd.DataFrame) -> str:
    """How accuracy and ECE go together over the students, and what temperature scaling leaves of the ECE."""
    students, everyone = means[means["role"] == "student"], means[means["role"] != "teacher"]
    if students.empty:
        return NO_STUDENT
    ranks = students.groupby("panel", sort=False)[["accuracy %", "ece"]].apply(lambda g: g.corr("spearman").iloc[0, 1])
    said = "; ".join(f"{panel} {value:+.2f}" for panel, value in ranks.items())
    before, after = everyone["ece"].median(), everyone["scaled_ece"].median()
    moral = " What one number mends is no reason to prefer a method." if after < before else ""
    return (
        f"Rank correlation of accuracy and ECE over the students: {said}. A temperature fitted on balanced held-out "
        f"images brings the median ECE from {before:.3f} to {after:.3f}.{moral}"
    )


def ranking(scores: Mapping[str, pd.DataFrame]) -> str:
    """Which row is first by harmonic score, and how many others may be."""
    return _per_panel({panel: _first(table) for panel, table in scores.items()})


def _first(table: pd.DataFrame) -> str:
    first, others = table.iloc[0], table.iloc[1:]
    rivals = (others["high"] >= first["low"]).sum()
    many = ": the winner is one of many" if rivals > 3 else ""
    provisional = f". Provisional, {len(table)} of 128 rows are measured" if table["provisional"].any() else ""
    return (
        f"{first['row'].label} is first with {first['harmonic_score']:.3f}; {rivals} of the {len(others)} others have "
        f"an interval that reaches into its own{many}{provisional}"
    )


def clear_effects(effects: pd.DataFrame) -> str:
    """Which ingredients change the accuracy: those whose interval leaves 0, in points."""
    said = {panel: _clear(lines) for panel, lines in effects.groupby("panel", sort=False)}
    clear = {panel: f"clear effects on accuracy, in points: {words}" for panel, words in said.items()}
    return _per_panel(clear, "No two students that differ in one ingredient alone were measured.")


def _clear(effects: pd.DataFrame) -> str:
    accuracy = effects[effects["metric"] == "accuracy"]
    leaving = accuracy[(accuracy["low"] > 0) | (accuracy["high"] < 0)]
    factors, labels = leaving["factor"].str.split(",").str[0], leaving["label"].str.split(" (", regex=False).str[0]
    names = [" ".join(dict.fromkeys(pair)) for pair in zip(factors, labels, strict=True)]  # mixup is both
    return listing(f"{name} {gain:+.2f}" for name, gain in zip(names, leaving["estimate"], strict=True))


def teachers_help(cells: pd.DataFrame) -> str:
    """In how many pairs of objectives each way to distil is told from the ablation and from the baseline, and to which
    side; `cells` as of `effects.by_objectives`."""
    said = {panel: "; ".join(_helped(lines)) for panel, lines in cells.groupby("panel", sort=False)}
    words = {panel: f"pairs of objectives above and below, of those measured: {each}" for panel, each in said.items()}
    return _per_panel(words)


def _helped(cells: pd.DataFrame) -> Iterator[str]:
    for rival, lines in cells.groupby("rival", sort=False):
        counts = [
            f"{kd} {(of['low'] > 0).sum()} and {(of['high'] < 0).sum()} of {len(of)}"
            for kd, of in lines.groupby("kd", sort=False)
        ]
        yield f"against the {rival} {', '.join(counts)}"


def tails(means: pd.DataFrame) -> str:
    """With which objective the students recognise the tail best and worst, and their head then; `means` by third."""
    return _per_panel(
        {panel: _tail(of) for panel, of in means[means["role"] == "student"].groupby("panel", sort=False)}
    )


def _tail(means: pd.DataFrame) -> str:
    best, worst = (means.loc[place] for place in (means["tail %"].idxmax(), means["tail %"].idxmin()))
    told = "{student_objective} (tail {tail %:.1f} %, head {head %:.1f} %)".format_map
    return f"students recognise the tail best with {told(best)}, worst with {told(worst)}"


def honesty(networks: Mapping[str, Mapping[str, dict]]) -> str:
    """The raw ECE of the networks that stand for each table, beside what a calibrated one would score."""
    said = _per_panel({panel: eces(records) for panel, records in networks.items()})
    return f"Raw ECE, in brackets what a perfectly calibrated network would score. {said}" if networks else said


def pull(ratios: pd.DataFrame) -> str:
    """The median of each teacher's term's gradient by that of the labels, in the first and the last epoch."""
    medians = ratios.groupby(METHOD, sort=False)[["first epoch", "last epoch"]].median()
    said = [f"{kd} {first:.2g} and {last:.2g}" for kd, first, last in medians.itertuples()]
    return f"In the first and the last epoch, in the median: {'; '.join(said)}." if said else NO_STUDENT


def correlations(comparison: pd.DataFrame) -> dict[str, dict[str, Interval]]:
    """Of each of our tables, the rank correlations of published and our accuracies and ECEs."""
    both = comparison.dropna(subset=["our %", "our ECE"])
    return {
        panel: {
            metric: rank_correlation(rows[theirs], rows[our], _factors(rows))
            for metric, (theirs, our) in PUBLISHED_AND_OURS.items()
        }
        for panel, rows in both.groupby("panel", sort=False)
        if len(rows) >= FEW
    }


def _factors(rows: pd.DataFrame) -> list[pd.Series]:
    """What rows share by design: their teacher, and what kind of student they are."""
    teachers = rows["teacher_objective"].str.cat(rows["mixup"].astype(str))
    return [teachers, rows["kd"].str.cat(rows["student_objective"])]


def ranks(correlations: Mapping[str, Mapping[str, Interval]]) -> str:
    """Whether rows rank alike here and in the source."""
    said = {panel: f"rank correlation {listing(map(_told, of.items()))}" for panel, of in correlations.items()}
    return _per_panel(said, "Too few rows stand beside published ones to compare their order.")


def _told(named: tuple[str, Interval]) -> str:
    metric, found = named
    return f"of {metric} {found.estimate:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def averaging(eces: pd.DataFrame) -> str:
    """What averaging over batches does to the ECE of our networks, beside the lowest published one."""
    if eces.empty:
        return NO_STUDENT
    floors, lowest = eces["batches of 128: floor"], result_files()["published ECE"].min()
    times = (eces["batches of 128: ECE"] / eces["15 bins: ECE"]).median()
    return (
        f"Averaging over batches of 128 multiplies the ECE of these networks by {times:.1f} (median), and the floor "
        f"alone is {floors.min():.3f} to {floors.max():.3f}; the lowest of the 256 published ECEs is {lowest:.4f}."
    )


def headline(scores: Mapping[str, pd.DataFrame], means: pd.DataFrame) -> dict[str, str]:
    """What the index of reports says of each table."""
    said = {}
    for panel, table in scores.items():
        first, doubt = table.iloc[0], " (provisional)" if table["provisional"].any() else ""
        figures = f"{100 * first['accuracy']:.1f} %, ECE {first['ece']:.3f}"
        said[f"{panel}: best harmonic score on the test set{doubt}"] = f"{first['row'].label}: {figures}"
        said |= _ranges_by_role(panel, means[means["panel"] == panel])
    return said


def _ranges_by_role(panel: str, means: pd.DataFrame) -> dict[str, str]:
    accuracies = {role: means.loc[means["role"] == role, "accuracy %"] for role in ("student", "baseline", "teacher")}
    return {f"{panel}: {role}s": f"{a.min():.1f} to {a.max():.1f} %" for role, a in accuracies.items() if len(a)}
