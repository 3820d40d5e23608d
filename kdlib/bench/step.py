"""One step of one student, the other end of the scale from the grid: nothing to share, both sides have all cores."""

from statistics import median

import torch

from kdlib.bench import usual
from kdlib.bench.measure import Result, in_turns
from kdlib.bench.ours import ENDLESS, Group, shares
from kdlib.bench.sample import NAME, sample
from kdlib.run import Run, Term

TEMPERATURE, ALPHA = 4.0, 0.9


def step(batch: int = 128, steps: int = 5, rounds: int = 5, teacher: str = "resnet110") -> Result:
    """resnet20 taught by resnet110 at 32 x 32, against a plain loop that gets its batches for nothing."""
    source = sample(steps * batch)
    teacher_run = Run(data=NAME, network=teacher, epochs=1)
    run = Run(
        data=NAME,
        network="resnet20",
        epochs=ENDLESS,
        batch_size=batch,
        lr=0.01,
        teachers=(teacher_run,),
        objective=(Term("cross_entropy", 1 - ALPHA), Term("kd", ALPHA, temperature=TEMPERATURE)),
    )
    group = Group([run])
    with usual.process(torch.get_num_threads()) as call:
        turns = in_turns(
            rounds, lambda: call(usual.step_seconds, run, steps * batch, steps, None), group.seconds_per_step
        )
    usual_ms, ours_ms = 1e3 * median(turns.usual), 1e3 * median(turns.ours)
    return Result(
        name="step",
        value=turns.ratio,
        target=1.3,
        usual=usual_ms,
        ours=ours_ms,
        unit=f"ms per step, batch {batch}",
        limit=(
            "both sides compute the same convolutions; ours gain by channels_last, fused SGD and BatchNorm folded "
            f"into the teacher. Our time goes "
            f"to {shares(group.parts())}."
        ),
        details=(
            f"{teacher} -> resnet20; {steps} steps per round, {turns}; images: {source}",
            f"the usual way: {1e3 * batch / usual_ms:.0f} images/s with batches for nothing; "
            f"ours: {1e3 * batch / ours_ms:.0f} images/s with new crops.",
        ),
    )
