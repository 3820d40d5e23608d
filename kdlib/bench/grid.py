"""A cell-epoch of the alpha/temperature grid."""

from itertools import product
from statistics import median

import torch

from kdlib.bench import usual
from kdlib.bench.measure import Result, in_turns
from kdlib.bench.ours import ENDLESS, Group, shares
from kdlib.bench.sample import NAME, sample
from kdlib.run import Run, Term

ALPHAS = (0.1, 0.25, 0.5, 0.75, 0.9)
TEMPERATURES = (1, 2.5, 5, 7.5, 10, 20, 30, 40, 50)
EPOCH = 45_000  # images of CIFAR-10 that are not held out


def grid(students: int = 45, batch: int = 128, steps: int = 6, rounds: int = 5, workers=(0, 1, 2, 3)) -> Result:
    """cnn2 of width 16 taught by resnet18 at 32 x 32: `students` cells in lock-step against one run by itself."""
    source = sample(steps * batch)
    teacher = Run(data=NAME, network="resnet18", epochs=1)
    cells = list(product(ALPHAS, TEMPERATURES))[:students]
    group = Group([_run(teacher, batch, *cell) for cell in cells])
    with usual.process(torch.get_num_threads()) as call:
        alone = usual.Alone(call, group.runs[0], steps, workers)
        turns = in_turns(rounds, alone.seconds_per_step, lambda: group.seconds_per_step() / len(cells))
        usual_parts = alone.parts()
    parts = group.parts()

    usual_ms, ours_ms = 1e3 * median(turns.usual), 1e3 * median(turns.ours)
    minutes = [ms * EPOCH / batch / 6e4 for ms in (usual_ms, ours_ms)]
    return Result(
        name="grid",
        value=turns.ratio,
        target=25,
        usual=usual_ms,
        ours=ours_ms,
        unit=f"ms a cell and batch of {batch}",
        limit=(
            f"the students' own steps: were images and teacher free, it would be "
            f"{usual_ms / 1e3 / (parts['students'] / len(cells)):.0f} x. Our time goes to {shares(parts)}."
        ),
        details=(
            f"a cell-epoch ({EPOCH:,} images): usual {minutes[0]:.3g} min, ours {minutes[1]:.3g} min in a group of "
            f"{len(cells)}; extrapolated from {steps} steps per round, {turns}; images: {source}",
            f"the usual way, {alone.speeds}. {usual_parts}. Not counted: start-up of its process.",
        ),
    )


def _run(teacher: Run, batch: int, alpha: float, temperature: float) -> Run:
    return Run(
        data=NAME,
        network="cnn2",
        width=16,
        epochs=ENDLESS,
        batch_size=batch,
        lr=0.01,
        teachers=(teacher,),
        objective=(
            Term("cross_entropy", 1 - alpha),
            Term("soft_cross_entropy", alpha, temperature=temperature),
        ),
    )
