"""What training changes in its process, and gives back: torch's settings, and what SIGTERM does."""

import contextlib
import signal
import threading
from collections.abc import Iterator

import torch

from kdlib.registry import Stopped

FLAGS = (  # float32 is float32, and the same twice
    (torch.backends.cuda.matmul, "allow_tf32", False),
    (torch.backends.cudnn, "allow_tf32", False),
    (torch.backends.cudnn, "deterministic", True),
)


@contextlib.contextmanager
def torch_settings() -> Iterator[None]:
    """Exact arithmetic on GPUs; threads and all settings are at the end as they were before."""
    threads, before = torch.get_num_threads(), [getattr(place, name) for place, name, _ in FLAGS]
    try:
        for place, name, value in FLAGS:
            setattr(place, name, value)
        yield
    finally:
        for (place, name, _), value in zip(FLAGS, before, strict=True):
            setattr(place, name, value)
        torch.set_num_threads(threads)


@contextlib.contextmanager
def sigterm_stops() -> Iterator[None]:
    """SIGTERM stops the work like Ctrl-C, so that what was reached is saved; then it does what it did before, which by
    default ends the process (143 in a shell). Only the main thread can be told of signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = []

    def stop(number, frame):
        received.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except Stopped as stopped:
        if received:  # nobody is left to show the exception
            print(stopped, flush=True)
        raise
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
        for number in received[-1:]:
            signal.raise_signal(number)
