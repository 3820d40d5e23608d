"""What fails a run and not its company: a part that goes wrong in its own code, a number that is no longer finite."""

import functools
import time
from collections.abc import Callable

import torch

from kdlib.registry import KdlibError

NOT_ITS_FAULT = (MemoryError, OSError, torch.OutOfMemoryError, torch.AcceleratorError)  # the machine's: raised


class RunError(KdlibError):
    """Why a run failed, as a clause: its record says it."""


class blame:  # noqa: N801 (read as a verb: with blame("the network mine"))
    """What goes wrong inside is the named part's mistake: raised as RunError, but for the kinds in `passing`."""

    def __init__(self, part: str, passing: type[Exception] = RunError):
        self.part, self.passing = part, (RunError, *NOT_ITS_FAULT, passing)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback) -> None:
        if isinstance(error, Exception) and not isinstance(error, self.passing):
            raise RunError(f"{self.part} failed: {told(error)}") from error


def told(error: Exception) -> str:
    """The error on one line: a sentence as it is, anything else after its type."""
    first = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return first if isinstance(error, KdlibError) else f"{type(error).__name__}: {first}".rstrip(": ")


def own_work(method: Callable) -> Callable:
    """A learner's method: timed, left out once its run has failed; a failure is noted there: its company goes on."""

    @functools.wraps(method)
    def work(self, *arguments):
        if self.failure:
            return None
        begun = time.perf_counter()
        try:
            return method(self, *arguments)
        except RunError as failure:
            self.failure = str(failure)
            return None
        finally:
            self.seconds += time.perf_counter() - begun

    return work
