"""What the benches share: a result, turns, and what machine this is."""

import os
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from statistics import median

import torch

BUSY = 0.5  # load before the start


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one bench found. `usual` and `ours` are in `unit`; `value` is what `target` speaks of: how many times
    cheaper ours is ("x", at least), or seconds ("s", at most)."""

    name: str
    value: float
    target: float
    kind: str = "x"
    usual: float
    ours: float
    unit: str
    limit: str  # what bounds the value, and where the time goes
    details: tuple[str, ...] = ()

    @property
    def reached(self) -> bool:
        return self.value >= self.target if self.kind == "x" else self.value <= self.target

    def __str__(self) -> str:
        bound = f"{'at least' if self.kind == 'x' else 'at most'} {self.target:g} {self.kind}"
        verdict = "reached" if self.reached else "MISSED"
        sides = f"usual {_figure(self.usual)}, ours {_figure(self.ours)} {self.unit}"
        head = f"{self.name:9} {_figure(self.value):>7} {self.kind}   target {bound}: {verdict}   ({sides})"
        return "\n".join([head, *(_indented(line) for line in (*self.details, f"limit: {self.limit}"))])


@dataclass(frozen=True)
class Turns:
    """Seconds of both sides, a round each: medians, and their ratio with its range over the rounds."""

    usual: list[float]
    ours: list[float]

    @property
    def ratio(self) -> float:
        return median(self.usual) / median(self.ours)

    def __str__(self) -> str:
        ratios = [u / o for u, o in zip(self.usual, self.ours, strict=True)]
        return f"{len(ratios)} rounds in turns, {min(ratios):.3g} to {max(ratios):.3g} x"


def in_turns(rounds: int, usual: Callable[[], float], ours: Callable[[], float]) -> Turns:
    """ours, usual, ours, usual ...: each gives its seconds for the same amount of work."""
    pairs = [(ours(), usual()) for _ in range(rounds)]
    return Turns([u for _, u in pairs], [o for o, _ in pairs])


def seconds(function: Callable, repeats: int = 5) -> float:
    """Median wall-clock seconds of one call, after one that does not count."""
    function()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return median(taken)


def seconds_an_item(items: Iterator, count: int) -> float:
    """Wall-clock seconds to get each of the next `count`, none of which is kept."""
    start = time.perf_counter()
    for _ in islice(items, count):
        pass
    return (time.perf_counter() - start) / count


@contextmanager
def intra_op(threads: int) -> Iterator[None]:
    """torch's operations on that many cores, in the calling thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def machine() -> str:
    return f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} used"


def load() -> str:
    """Of the last minute; before the start it should be near 0."""
    if not hasattr(os, "getloadavg"):
        return "load unknown"
    mean = os.getloadavg()[0]
    doubt = " (others are at work, so these figures are no evidence: the usual way suffers more than ours)"
    return f"load {mean:.2f}{doubt if mean > BUSY else ''}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _indented(text: str) -> str:
    return textwrap.fill(text, 118, initial_indent=" " * 4, subsequent_indent=" " * 6)
