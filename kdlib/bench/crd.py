"""Contrastive representation distillation: loss and gradient of one batch, on one core."""

import json
import os
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from pathlib import Path
from statistics import median

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from kdlib.bench.measure import Result, in_turns, intra_op, seconds
from kdlib.bench.ours import shares
from kdlib.bench.usual import gathered, process
from kdlib.losses.contrastive import CRD, other_classes

WIDTH, CLASSES = 64, 100  # of the features, as a CIFAR resnet pools them
MEMORY_TARGET = 10


def crd(batch: int = 64, negatives: int = 16_384, images: int = 50_000, steps: int = 2, rounds: int = 5) -> Result:
    """Our loss and backward against gathering the bank's rows of every image, differentiated by torch."""
    size = (batch, negatives, images)
    with intra_op(1), process(1) as call:
        turns = in_turns(
            rounds,
            lambda: call(step_seconds, gathered, size, steps),
            lambda: step_seconds(CRD.forward, size, 5 * steps),
        )
        call(silence)
        usual_bytes, our_bytes = (call(peak_bytes, loss, size) for loss in (gathered, CRD.forward))
        parts = _parts(size)
        drawing = seconds(lambda: draw_negatives(size))
    usual_ms, ours_ms = 1e3 * median(turns.usual), 1e3 * median(turns.ours)
    less = usual_bytes / our_bytes
    verdict = "reached" if less >= MEMORY_TARGET else "MISSED"
    return Result(
        name="crd",
        value=turns.ratio,
        target=12,
        usual=usual_ms,
        ours=ours_ms,
        unit=f"ms a batch of {batch} on one core",
        limit="each of the two sides multiplies the batch with a whole bank and back, and picks scores at random "
        f"places of memory. Our time goes to {shares(parts)}.",
        details=(
            f"{negatives:,} negatives an image, {images:,} images; loss, backward and banks; {steps} usual steps a "
            f"round, {turns}; features: noise",
            f"extra memory at its peak: usual {usual_bytes / 2**20:,.3g} MiB, ours {our_bytes / 2**20:,.3g} MiB, "
            f"{less:.3g} x less (target at least {MEMORY_TARGET} x: {verdict}); all that torch allocates during one "
            "batch, by its profiler; banks, features and indices are there before.",
            f"the usual way: {1e3 * batch / usual_ms:.0f} images/s; ours: {1e3 * batch / ours_ms:.0f}. Not counted on "
            f"either side: drawing the negatives, ours in {1e3 * drawing:.3g} ms.",
        ),
    )


def _parts(size: tuple[int, int, int]) -> dict[str, float]:
    """Seconds of one side, each alone."""
    model, (*_, negatives) = setting(size)
    bank = model.teacher_bank
    anchors = bank[: len(negatives)].clone()
    scores = anchors @ bank.T
    picked = scores.gather(1, negatives)
    return {
        "scores": seconds(lambda: anchors @ bank.T, 20),
        "gradient": seconds(lambda: scores @ bank, 20),
        "picking": seconds(lambda: scores.gather(1, negatives), 20),
        "putting back": seconds(lambda: scores.zero_().scatter_add_(1, negatives, picked), 20),
        "exp and log": seconds(lambda: picked.exp().log1p_(), 20),
    }


def step_seconds(loss: Callable, size: tuple[int, int, int], steps: int) -> float:
    """Loss and backward of one batch, banks updated."""
    model, inputs = setting(size)
    return seconds(lambda: loss(model, *inputs).backward(), steps)


def silence() -> None:
    """No more messages from this process: the profiler writes to stderr past Python, that it starts and stops."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def peak_bytes(loss: Callable, size: tuple[int, int, int]) -> int:
    """The most that torch's tensors take at a time during loss and backward, beyond what there was before.

    From the profiler's record of every allocation: a process's peak of resident memory also counts what the allocator
    keeps, and what the process that started it has used. Scratch space within the matrix library is not seen.
    """
    model, inputs = setting(size)
    loss(model, *inputs).backward()  # gradients of the layers are there from now on
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        loss(model, *inputs).backward()
    with tempfile.TemporaryDirectory() as folder:
        profiled.export_chrome_trace(str(Path(folder, "trace.json")))
        events = json.loads(Path(folder, "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Ev Idx"], e["args"]["Bytes"]) for e in events if e["name"] == "[memory]")
    return max(accumulate(change for *_, change in changes))


@cache
def setting(size: tuple[int, int, int]) -> tuple[CRD, tuple[Tensor, ...]]:
    """The loss with its banks, and what it is called with: always the same for a size."""
    batch, _, images = size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CRD(WIDTH, WIDTH, images)
        student, teacher = torch.rand(2, batch, WIDTH)
    return model, (student.requires_grad_(), teacher, torch.arange(batch), draw_negatives(size))


def draw_negatives(size: tuple[int, int, int]) -> Tensor:
    batch, negatives, images = size
    return other_classes(torch.arange(images) % CLASSES, torch.arange(batch), negatives, (0, 0, 0))
