"""What was measured of declared rows: per run, per row, and by comparison, in the units that are shown.

A notebook declares rows: a frozen dataclass per row, with at least a `role`, that maps to its runs, one per repeat.
`Results` is what came back. Frames name their columns by the dataclass's fields.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property

import pandas as pd

from kdlib import lookup
from kdlib.intervals import Interval, TrainingNoise, comparisons, verdicts
from kdlib.run import Run
from kdlib.store.provenance import mixture
from kdlib.words import count

FIGURES = (
    "accuracy %", "best epoch %", "held_out_accuracy",
    "ece", "ece_floor_95", "scaled_ece", "scaled_ece_floor_95", "nll", "scaled_nll", "brier", "scaled_brier",
)  # fmt: skip


UNITS = {"accuracy": 100, "ece": 1}  # what a stored figure is multiplied by: accuracy is shown in percent or points


class Results:
    """What was measured of `declared`, a mapping of rows to their runs by repeat; `table` is what kdlib.train returned
    for all of them in this order.

    `runs` is a line per run: the row's fields, `row` itself, `repeat`, and the table's columns, accuracies also in
    percent. `rows` maps each measured row to its records by repeat.
    """

    def __init__(self, declared: Mapping[Hashable, Sequence[Run]], table: pd.DataFrame):
        each = [(row, repeat, run) for row, runs in declared.items() for repeat, run in enumerate(runs)]
        what = pd.DataFrame([asdict(row) | {"row": row, "repeat": repeat} for row, repeat, _ in each])
        self.runs = what.join(table.drop(columns=[c for c in what if c in table]))
        self.runs["accuracy %"] = 100 * self.runs["accuracy"]
        self.runs["best epoch %"] = 100 * self.runs["best_accuracy"]
        self.fields = [column for column in what if column not in ("row", "repeat")]
        self.rows: dict[Hashable, dict[int, dict]] = {}
        for (row, repeat, run), status in zip(each, self.runs["status"], strict=True):
            if status == "finished":
                self.rows.setdefault(row, {})[repeat] = lookup.record(run)

    @property
    def measured(self) -> pd.DataFrame:
        """The lines of `runs` that are finished."""
        return self.runs[self.runs["status"] == "finished"]

    @property
    def means(self) -> pd.DataFrame:
        """A line per measured row: its fields, `row`, how many `repeats`, and the means of FIGURES over them."""
        grouped = self.measured.groupby("row", sort=False)
        fields = self.measured.drop_duplicates("row").set_index("row")[self.fields]
        return fields.join(grouped[list(FIGURES)].mean()).join(grouped.size().rename("repeats")).reset_index()

    def of(self, role: str) -> list:
        """The measured rows of a role, in the order of their declaration."""
        return [row for row in self.rows if row.role == role]

    def overview(self, by: Sequence[str] = ("role",)) -> pd.DataFrame:
        """A line per role (or other fields): how many runs were declared and measured, of which network, for how long
        (seconds summed over runs, which train side by side), and the means of its rows."""
        by = list(by)
        runs = self.runs.groupby(by, sort=False).agg(
            runs=("key", "size"),
            measured=("status", lambda status: (status == "finished").sum()),
            network=("network", "first"),
            seconds=("seconds", "sum"),
        )
        figures = {"accuracy %": "accuracy %", "best epoch %": "best epoch %", "ece": "ECE", "scaled_ece": "ECE scaled"}
        means = self.means.groupby(by)[list(figures)].mean().rename(columns=figures)
        return runs.join(means).reset_index()

    def progress(self) -> str:
        """83 of 128 runs measured."""
        return f"{len(self.measured):,} of {count(len(self.runs), 'run')} measured."

    def failures(self) -> list[str]:
        """Which runs failed, and why."""
        failed = self.runs[self.runs["status"] == "failed"]
        return [
            f"Failed: {row}, repeat {n}: {why}"
            for row, n, why in zip(failed["row"], failed["repeat"], failed["reason"], strict=True)
        ]

    # Comparisons, in the metric's own unit; `shown` puts them into the one of figures and tables ----------------------

    def interval(self, row: Hashable, metric: str = "accuracy") -> Interval:
        """The mean of a row's repeats."""
        return comparisons.interval(verdicts.measured(self.rows[row], metric), self._noises[metric])

    def difference(self, first: Hashable, second: Hashable, metric: str = "accuracy") -> Interval:
        """First row minus second, seed by seed where three or more are shared."""
        one, other = (verdicts.measured(self.rows[row], metric) for row in (first, second))
        return comparisons.difference(one, other, self._noises[metric])

    @cached_property
    def _noises(self) -> dict[str, TrainingNoise | None]:
        """The training noise of the study, which every row that ran once borrows."""
        return {metric: verdicts.noise_of(self.rows, metric) for metric in UNITS}

    def intervals(self, rows: Iterable[Hashable], metrics: Iterable[str] = tuple(UNITS)) -> pd.DataFrame:
        """A line per row: its fields, and "<figure>", "<figure> low", "<figure> high" per metric, in shown units."""
        columns = {"accuracy": "accuracy %"}
        lines = []
        for row in rows:
            ends = [(columns.get(metric, metric), shown(self.interval(row, metric), metric)) for metric in metrics]
            found = {
                f"{column} {end}".removesuffix(" estimate"): value
                for column, each in ends
                for end, value in each.items()
            }
            lines.append(asdict(row) | found)
        return pd.DataFrame(lines)

    # Where it comes from ----------------------------------------------------------------------------------------------

    @property
    def records(self) -> list[dict]:
        """Of all measured runs."""
        return [record for row in self.rows.values() for record in row.values()]

    @property
    def mixture(self) -> str:
        """What the measured runs do not have in common, as the end of a footnote."""
        return mixture(self.records)

    @property
    def made(self) -> dict:
        """How the measured runs were trained, whenever that was: revisions, run-hours, hardware and data."""
        origins = [record["provenance"] for record in self.records]
        return {
            "runs": len(origins),
            "revisions": sorted({origin["git"] or "unknown" for origin in origins}),
            "hours": sum(origin["seconds"] for origin in origins) / 3600,
            "hardware": sorted({o["cpu"] if o["device"] == "cpu" else o["device"] for o in origins}),
            "seeds": sorted({record["spec"].get("seed", 0) for record in self.records}),
            "data": {record["spec"]["data"]: record["data"]["fingerprint"] for record in self.records},
        }


def shown(interval: Interval, metric: str) -> dict[str, float]:
    """Estimate, low and high in the unit of figures and tables."""
    return {end: UNITS[metric] * getattr(interval, end) for end in ("estimate", "low", "high")}


def differences(lines: Iterable[tuple[str, str, Mapping[str, Interval]]]) -> pd.DataFrame:
    """What plots.main_effects draws: a line per (factor, label) and metric, with its interval in shown units."""
    return pd.DataFrame(
        [
            {"factor": factor, "label": label, "metric": metric} | shown(interval, metric)
            for factor, label, found in lines
            for metric, interval in found.items()
        ],
        columns=["factor", "label", "metric", "estimate", "low", "high"],
    )


def one_of(records: Mapping[int, dict]) -> dict:
    """The record of a row's first repeat: where one network is shown, it stands for the row."""
    return records[min(records)]


def held_out_best(results: Results, rows: Iterable[Hashable]) -> Hashable:
    """The row with the best mean accuracy on held-out images, never by the test set: the one that rules choose."""
    return verdicts.choose(results.rows, rows).row
