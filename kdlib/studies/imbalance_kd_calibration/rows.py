"""The rows of the study, the words that people have for their values, and the study itself."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import product

import pandas as pd

from kdlib.studies.sentences import DATA, called
from kdlib.studies.study import Study

study = Study("imbalance_kd_calibration")

KD = {"kd": "vanilla KD", "crd": "CRD", "rkd": "RKD", "attention_transfer": "AT"}
OBJECTIVES = {
    "cross_entropy": "CE",
    "adaptive_label_smoothing": "ALS",
    "confidence_penalty": "CP",
    "balanced_softmax": "BS",
}
WORDS = DATA | KD | OBJECTIVES
METHOD = "KD method"  # the column of a table for people: a student's way to distil, and the role of all others
UNTAUGHT = ("baseline", "ablation")
# Rows with one objective in teacher and student, by role, method, objective and mixup.
CORE = {
    *product(["baseline"], [None], ["cross_entropy", "balanced_softmax"], [False, True]),
    *product(["ablation"], [None], ["cross_entropy", "balanced_softmax"], [False]),
    ("student", "kd", "cross_entropy", False),
    *product(["student"], ["kd", "rkd", "crd"], ["balanced_softmax"], [False]),
    ("student", "crd", "balanced_softmax", True),
}
_DESCRIBED = {
    "student": "{kd}, teacher {teacher_objective}, student {student_objective}",
    "teacher": "teacher {teacher_objective}",
    "baseline": "{student_objective} student without a teacher",
    "ablation": "{student_objective} student without its teacher's term",
}


@dataclass(frozen=True)
class Row:
    """One row of a table, by what it is; None where a field says nothing of it.

    Of a student, its own teacher and the two students without one stand at hand: the `baseline`, whose labels have full
    weight, and the `ablation`, whose labels have a student's own.
    """

    role: str
    data: str
    imbalance_factor: float
    kd: str | None = None
    teacher_objective: str | None = None
    student_objective: str | None = None
    mixup: bool = False

    @property
    def teacher(self) -> "Row":
        return replace(self, role="teacher", kd=None, student_objective=None)

    @property
    def baseline(self) -> "Row":
        return replace(self, role="baseline", kd=None, teacher_objective=None)

    @property
    def ablation(self) -> "Row":
        return replace(self.baseline, role="ablation")

    @property
    def panel(self) -> str:
        """The table that it stands in: CIFAR-10, IF 100"""
        return panel(self.data, self.imbalance_factor)

    @property
    def label(self) -> str:
        """A student within its panel: CRD, BS → CE, mixup"""
        said = {name: WORDS.get(value, value) for name, value in asdict(self).items()}
        return "{kd}, {teacher_objective} → {student_objective}, ".format(**said) + ("no mixup", "mixup")[self.mixup]

    def __str__(self) -> str:
        """For a person: CRD, teacher BS, student CE, with mixup (CIFAR-10, IF 100)"""
        said = {name: WORDS.get(value, value) for name, value in asdict(self).items()}
        return f"{_DESCRIBED[self.role].format(**said)}, {('without', 'with')[self.mixup]} mixup ({self.panel})"


@dataclass(frozen=True)
class Variant:
    """A row beside the table, by its `role`: "tried", at another step size and weight of the teacher's term; "tuned",
    at the ones that held-out images chose; "other teacher", a student of a teacher of another seed; "longer".

    `method` is a way to distil, or "baseline" or "ablation"; `objective` that of teacher and student; the customary
    weight is divided by `divisor`; None where the table's own step size and epochs are kept.
    """

    role: str
    data: str
    imbalance_factor: float
    method: str
    objective: str
    mixup: bool = False
    lr: float | None = None
    divisor: float = 1.0
    teacher_seed: int | None = None
    epochs: int | None = None

    @property
    def row(self) -> Row:
        """The row of the table that it varies."""
        place = self.data, self.imbalance_factor
        if self.method in UNTAUGHT:
            return Row(self.method, *place, student_objective=self.objective, mixup=self.mixup)
        return Row("student", *place, self.method, self.objective, self.objective, self.mixup)

    @property
    def panel(self) -> str:
        return panel(self.data, self.imbalance_factor)

    @property
    def word(self) -> str:
        """The method, for a person."""
        return WORDS.get(self.method, self.method)

    @property
    def setting(self) -> str:
        """weight 1/4, step size 0.4"""
        times = f"1/{self.divisor:g}" if self.divisor > 1 else f"{1 / self.divisor:g}"
        step = f"step size {self.lr:g}"
        return step if self.method in UNTAUGHT else f"{times} of the customary weight, {step}"

    def __str__(self) -> str:
        return f"{self.role}: {self.row}"


def is_core(row: Row) -> bool:
    """Whether a row is repeated over seeds, to stand for its kind."""
    same = row.teacher_objective in (None, row.student_objective)
    return same and (row.role, row.kd, row.student_objective, row.mixup) in CORE


def panel(data: str, imbalance_factor: float) -> str:
    """A table's title: CIFAR-10, IF 100"""
    return f"{called(data)}, IF {imbalance_factor:g}"


def students(data: str, imbalance_factor: float) -> list[Row]:
    """The 128 rows of one table."""
    choices = product(KD, OBJECTIVES, OBJECTIVES, (False, True))
    return [Row("student", data, float(imbalance_factor), *choice) for choice in choices]


def pairs(table: Iterable[Row], field: str, one: Hashable, other: Hashable) -> list[tuple[Row, Row]]:
    """The rows whose `field` is `one`, each beside the row that has `other` and is the same in all else."""
    return [(row, replace(row, **{field: other})) for row in table if getattr(row, field) == one]


def of_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The lines of the table's own rows, without those beside it."""
    return rows.loc[[isinstance(row, Row) for row in rows["row"]]]


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """The same in the words of people, with the column "KD method" in the place of kd."""
    words = rows.replace(dict.fromkeys({"data", "kd", "teacher_objective", "student_objective"} & {*rows}, WORDS))
    methods = words.pop("kd").astype(object)  # of baselines alone it would be a column of numbers
    return words.assign(**{METHOD: methods.fillna(words["role"]) if "role" in words else methods})


def with_panels(rows: pd.DataFrame) -> pd.DataFrame:
    """With the column `panel`, the title of a row's table, from data and imbalance_factor."""
    tables = zip(rows["data"], rows["imbalance_factor"], strict=True)
    return rows.assign(panel=[panel(*table) for table in tables])


def by_panel(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows of each table by its title, in their order."""
    tables: dict[str, list[Row]] = {}
    for row in rows:
        tables.setdefault(row.panel, []).append(row)
    return tables


def stacked(frames: Mapping[str, pd.DataFrame], columns: Iterable[str] = ()) -> pd.DataFrame:
    """The frames of all tables under each other, with the title of each in the column `panel`; `columns` are those of
    none."""
    if not frames:
        return pd.DataFrame(columns=["panel", *columns])
    return pd.concat(frames, names=["panel"]).reset_index("panel").reset_index(drop=True)
