"""A run's network, and what it says of images."""

from dataclasses import dataclass

import torch

from kdlib import draws, models
from kdlib.data.images import promised
from kdlib.models.layers import fold_batch_norm
from kdlib.run import Run
from kdlib.training.batches import Images

EVALUATION_CHUNK = 500


@dataclass
class Output:
    """What a network says of a batch: logits (B, K) and, where a term needs them, stage maps and pooled features."""

    logits: torch.Tensor
    maps: list[torch.Tensor] | None = None
    pooled: torch.Tensor | None = None


def network(run: Run) -> torch.nn.Module:
    """The run's network with its initial weights: drawn from a generator keyed by `seed`, the global one left alone.
    Needs no images."""
    num_classes, channels, side, _ = promised(run.data)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(draws.words(1, run.seed, "initial weights")[0] >> 1))
        return models.build(run.network, num_classes, channels, run.image_size or side, run.width)


def ready_to_teach(run: Run, images: Images, weights: dict | None = None) -> torch.nn.Module:
    """The run's network with the weights (None: its initial ones), in evaluation mode where the images are; for
    forward passes only, since its BatchNorm is folded away."""
    model = network(run)
    if weights is not None:
        model.load_state_dict(weights)
    return fold_batch_norm(model).to(device=images.images.device, memory_format=torch.channels_last)


def forward(model: torch.nn.Module, images: torch.Tensor, features: bool) -> Output:
    if not features:
        return Output(model(images).float())
    logits, maps, pooled = model(images, features=True)
    return Output(logits.float(), [m.float() for m in maps], pooled.float())


def evaluate(model: torch.nn.Module, images: Images, which: torch.Tensor, run: Run) -> torch.Tensor:
    """Logits (N, K) of uint8 images in evaluation mode, float32, on the CPU."""
    model.eval()
    with torch.no_grad(), autocast(run, which.device):
        parts = [model(images.normalise(chunk)).float() for chunk in which.split(EVALUATION_CHUNK) if len(chunk)]
    return torch.cat(parts).cpu() if parts else torch.empty(0, images.num_classes)


def pooled_width(run: Run) -> int:
    """How many numbers the network's pooled feature has."""
    _, channels, side, _ = promised(run.data)
    side = run.image_size or side
    with torch.no_grad():
        return network(run).eval()(torch.zeros(1, channels, side, side), features=True)[2].shape[1]


def autocast(run: Run, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16")
