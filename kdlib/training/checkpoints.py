"""What is kept of learners at epoch ends, so that a stop loses no epoch that was finished."""

import time
from typing import Any

import torch

from kdlib.store import Store
from kdlib.training.learner import Learner
from kdlib.training.weights import save_checkpoint

CHECKPOINT_SHARE = 20  # checkpoints are at least 20 times as long apart as the last ones took to write


class Checkpoints:
    """States of learners at their last epoch's end: held in memory, and written now and then or when work stops."""

    def __init__(self, store: Store):
        self.store = store
        self.held: dict[str, dict] = {}
        self.written, self.took = time.monotonic(), 0.0

    def due(self) -> bool:
        return time.monotonic() - self.written >= CHECKPOINT_SHARE * self.took

    def hold(self, learners: list[Learner]) -> None:
        self.held |= {learner.run.key: copied(learner.state()) for learner in learners}

    def drop(self, key: str) -> None:
        """Of a run that has its record."""
        self.held.pop(key, None)

    def write(self) -> None:
        begun = time.monotonic()
        for key, state in self.held.items():
            save_checkpoint(self.store, key, state)
        self.written, self.took = time.monotonic(), time.monotonic() - begun


def copied(state: Any) -> Any:
    """With tensors of its own on the CPU, in their memory layout, which no later step changes."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {name: copied(value) for name, value in state.items()}
    return [copied(value) for value in state] if isinstance(state, list) else state
