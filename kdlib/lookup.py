"""From a row of a table back to what was kept: the record, the network, the logits."""

import torch

from kdlib.registry import KdlibError
from kdlib.run import Run
from kdlib.store import Store
from kdlib.training.batches import Images
from kdlib.training.network import evaluate, network
from kdlib.training.weights import load_weights


def record(run: Run | str, store: Store | None = None) -> dict:
    """The record of a run, or of a key."""
    store = store or Store()
    key = run if isinstance(run, str) else run.key
    found = store.record(key)
    if found is None:
        raise KdlibError(f"Run {key} has no record: train it with kdlib.train([run]).")
    return found


def model(run: Run | str, store: Store | None = None) -> torch.nn.Module:
    """The run's network with its last weights, in evaluation mode, on the CPU; it takes images as
    `kdlib.training.batches.Images(run).normalise` makes them of uint8 pixels."""
    store = store or Store()
    run = _run(run, store)
    weights = load_weights(store, run.key)
    if weights is None:
        raise _nothing(run, "weights", store)
    net = network(run)
    net.load_state_dict(weights)
    return net.eval()


def logits(
    run: Run | str, moment: str = "last", split: str = "test", store: Store | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, K), float32, and labels (N,) of a split ("test" or "held_out") at a moment ("last" or "best"). Where a
    store has none, its weights give those of the last moment anew."""
    store = store or Store()
    run = _run(run, store)
    found = all_logits(run, store)
    if found is None:
        raise _nothing(run, "logits", store)
    if f"{moment}_{split}" not in found:
        raise KdlibError(f"Run {run.key} has no logits '{moment}_{split}': it has {', '.join(sorted(found))}.")
    images = Images(run)
    return found[f"{moment}_{split}"].float(), getattr(images, f"{split}_labels")


def all_logits(run: Run, store: Store) -> dict[str, torch.Tensor] | None:
    """A run's logits (N, K) by "<moment>_<split>": those that were kept, float32 in a store and float16 where they are
    committed, or else those that its weights give anew, of the last epoch. None where there are neither."""
    if kept := store.logits(run.key):
        return {name: torch.from_numpy(array) for name, array in kept.items()}
    return _from_weights(run, store) if store.has_weights(run.key) else None


def _from_weights(run: Run, store: Store) -> dict[str, torch.Tensor]:
    """The network says once more what it said of the held-out and the test images when its training ended."""
    net, images = model(run, store), Images(run)
    return {f"last_{split}": evaluate(net, images, getattr(images, split), run) for split in ("held_out", "test")}


def _run(run: Run | str, store: Store) -> Run:
    return Run.from_spec(record(run, store)["spec"]) if isinstance(run, str) else run


def _nothing(run: Run, what: str, store: Store) -> KdlibError:
    """Why there is nothing to give back."""
    failed = (store.record(run.key) or {}).get("reason")
    remedy = f"it failed, since {failed}" if failed else "train it with kdlib.train([run])"
    return KdlibError(f"Run {run.key} has no {what} in {store.root}: {remedy}.")
