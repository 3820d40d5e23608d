"""What torch keeps in a store: a run's last weights and, while it trains, its checkpoint."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import torch

from kdlib.store import Store
from kdlib.store.runs import CHECKPOINT, WEIGHTS


def load_weights(store: Store, key: str) -> dict | None:
    """Last epoch's state dict, on the CPU, from the store or the committed ones; None where there is none."""
    return store.read(key, WEIGHTS, _load)


def save_weights(store: Store, key: str, weights: dict) -> None:
    plain = {name: value.contiguous().cpu() for name, value in weights.items()}
    store.write(key, WEIGHTS, lambda file: torch.save(plain, file))


def load_checkpoint(store: Store, key: str) -> Any | None:
    """The state as it was saved; None where there is none."""
    return store.read(key, CHECKPOINT, _load)


def save_checkpoint(store: Store, key: str, state: Any) -> None:
    store.write(key, CHECKPOINT, lambda file: torch.save(state, file))


def epochs_done(store: Store, key: str) -> int:
    """What the checkpoint says, without reading its tensors; 0 where it says nothing. Nothing is judged damaged here,
    since another process may be about to replace it."""
    try:
        return torch.load(store.path(key, CHECKPOINT), map_location="cpu", weights_only=True, mmap=True)["epoch"]
    except Exception:
        return 0


def digest(weights: dict) -> str:
    """16 hex digits of the SHA-256 of a state dict's values: two networks with it are the same network."""
    sha = hashlib.sha256()
    for name, value in weights.items():
        sha.update(name.encode())
        sha.update(value.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()[:16]


def _load(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:  # torch itself reads a flipped bit as a weight
        if archive.testzip():
            raise zipfile.BadZipFile(path)
    return torch.load(path, map_location="cpu", weights_only=True)
