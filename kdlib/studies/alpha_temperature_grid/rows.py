"""The rows of the study, and the study itself."""

from dataclasses import dataclass

from kdlib.registry import KdlibError
from kdlib.studies.study import Study

study = Study("alpha_temperature_grid")


@dataclass(frozen=True)
class Row:
    """A row by its role: "teacher"; "baseline", the student on labels alone with full weight; "cell" of the grid;
    "ablation", a cell with its teacher's term left out; "ablation at full step", the same with the step divided by the
    labels' weight; "with T²"; "similarity-preserving"; "self-distilled"."""

    role: str
    alpha: float | None = None  # weight of the teacher's term, 0 to 1
    temperature: float | None = None

    def __post_init__(self):
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise KdlibError(f"alpha is {self.alpha:g}: give a weight from 0, labels alone, to 1, the teacher alone.")
        if self.alpha == 1 and self.role.startswith("ablation"):
            raise KdlibError("alpha is 1: without the teacher no term is left; give an ablation a weight below 1.")

    def __str__(self) -> str:
        """cell α 0.5, T 10"""
        return f"{self.role} {self.setting}".strip()

    @property
    def setting(self) -> str:
        """α 0.5, T 10"""
        alpha = [] if self.alpha is None else [f"α {self.alpha:g}"]
        temperature = [] if self.temperature is None else [f"T {self.temperature:g}"]
        return ", ".join(alpha + temperature)


TEACHER, BASELINE = Row("teacher"), Row("baseline")
