"""Which runs train together, and in which order: cohorts, teachers first.

A cohort is the runs that see the same batches.
"""

from dataclasses import dataclass

from kdlib.data.images import promised
from kdlib.run import Run, lineage
from kdlib.store import Store

SHARED = (
    "data", "image_size", "held_out", "imbalance_factor", "augmentation", "mixing", "mixing_alpha", "batch_size",
    "data_seed", "precision",
)  # fmt: skip
LARGE_BATCH = 16_384  # pixels in a batch from which a run that is alone gets all cores


@dataclass
class Cohort:
    """Runs to be trained that see the same batches. `alone`: one run is all there is, finished ones counted too, and it
    is large enough to use all cores; otherwise each run has one thread. `place`: what its runs share, and how far they
    are from the runs that teach nobody; it stays the same while runs are finished."""

    runs: list[Run]
    alone: bool
    place: tuple


def plan(runs: list[Run], store: Store | None = None) -> list[Cohort]:
    """The cohorts still to be trained, teachers first.

    A run that was asked for is trained if it has no record; a teacher if its weights are missing and a run that is to
    be trained needs them. Whether a run is alone depends on what was asked for, not on what is finished, so that a
    stop and resume changes no bit.
    """
    store = store or Store()
    height = _heights(runs)

    def place(run: Run) -> tuple:
        return -height[run.key], tuple(getattr(run, name) for name in SHARED)

    needed = _needed(runs, store)
    cohorts: dict[tuple, list[Run]] = {}
    for run in needed:
        cohorts.setdefault(place(run), []).append(run)
    everyone = [place(run) for run in lineage(runs)]
    return [
        Cohort(cohorts[p], everyone.count(p) == 1 and _is_large(cohorts[p][0]), p)
        for p in sorted(cohorts, key=lambda p: p[0])
    ]


def _needed(runs: list[Run], store: Store) -> list[Run]:
    needed: dict[str, Run] = {}

    def need(run: Run) -> bool:
        """Puts the run and the teachers it lacks into `needed`; False if a teacher failed."""
        record = store.record(run.key)
        if record and record["status"] == "failed":
            return False
        if not all(need(teacher) for teacher in run.teachers if not store.has_weights(teacher.key)):
            return False
        needed[run.key] = run
        return True

    for run in runs:
        if store.record(run.key) is None:
            need(run)
    return list(needed.values())


def _is_large(run: Run) -> bool:
    """Whether several threads on one run pay: on digits they wait for one another longer than they work."""
    side = run.image_size or promised(run.data)[-1]
    return run.batch_size * side * side >= LARGE_BATCH


def _heights(runs: list[Run]) -> dict[str, int]:
    """0 for a run that teaches nobody, 1 for the teacher of such a run, and so on."""
    height: dict[str, int] = {}
    for run in reversed(lineage(runs)):  # students before their teachers
        own = height.setdefault(run.key, 0)
        for teacher in run.teachers:
            height[teacher.key] = max(height.get(teacher.key, 0), own + 1)
    return height
