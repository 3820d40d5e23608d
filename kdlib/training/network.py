"""A run's network, and what it says of images."""

import torch

from kdlib import draws, models
from kdlib.data.images import promised
from kdlib.models.layers import fold_batch_norm
from kdlib.registry import KdlibError
from kdlib.run import Run
from kdlib.training.batches import Images
from kdlib.training.failures import RunError, blame

EVALUATION_CHUNK = 500


class Output:
    """What a network says of a batch: `logits` (B, K) and, for terms that are registered with features=True, the stage
    `maps` (a list of (B, C, H, W)) and the `pooled` features (B, D); KdlibError where another term reads them."""

    def __init__(
        self, logits: torch.Tensor, maps: list[torch.Tensor] | None = None, pooled: torch.Tensor | None = None
    ):
        self.logits, self._maps, self._pooled = logits, maps, pooled

    @property
    def maps(self) -> list[torch.Tensor]:
        return _asked_for(self._maps, "maps")

    @property
    def pooled(self) -> torch.Tensor:
        return _asked_for(self._pooled, "pooled")

    @property
    def has_features(self) -> bool:
        return self._maps is not None

    def part(self, images: slice) -> "Output":
        """Of some of the images."""
        features = ([m[images] for m in self.maps], self.pooled[images]) if self.has_features else ()
        return Output(self.logits[images], *features)


def _asked_for(features, name: str):
    if features is None:
        raise KdlibError(f"it reads .{name} of a network that was not asked for them: register it with features=True")
    return features


def network(run: Run) -> torch.nn.Module:
    """The run's network with its initial weights: drawn from a generator keyed by `seed`, the global one left alone.
    Needs no images. RunError where its own code goes wrong."""
    num_classes, channels, side, _ = promised(run.data)
    with torch.random.fork_rng(devices=[]), blame(_named(run), passing=KdlibError):
        torch.default_generator.manual_seed(int(draws.words(1, run.seed, "initial weights")[0] >> 1))
        return models.build(run.network, num_classes, channels, run.image_size or side, run.width)


def ready_to_teach(run: Run, images: Images, weights: dict | None = None) -> torch.nn.Module:
    """The run's network with the weights (None: its initial ones), in evaluation mode where the images are; for
    forward passes only, since its BatchNorm is folded away."""
    model = network(run)
    if weights is not None:
        model.load_state_dict(weights)
    return fold_batch_norm(model).to(device=images.images.device, memory_format=torch.channels_last)


def try_out(model: torch.nn.Module, run: Run, images: Images, features: bool) -> None:
    """Shows the run's network two grey images. RunError where it does not answer as networks do (kdlib.models)."""
    shape = 2, images.channels, images.image_size, images.image_size
    was_training, part = model.training, _named(run)
    with torch.no_grad(), blame(f"{part} with features=True" if features else part):
        output = forward(model.eval(), torch.zeros(shape, device=images.images.device), features)
    model.train(was_training)
    if output.logits.shape != (2, images.num_classes):
        raise RunError(
            f"{part} gave logits of shape {tuple(output.logits.shape)} for 2 images of {images.num_classes} classes: "
            "let its last layer have num_classes outputs"
        )


def forward(model: torch.nn.Module, images: torch.Tensor, features: bool) -> Output:
    if not features:
        return Output(model(images).float())
    logits, maps, pooled = model(images, features=True)
    return Output(logits.float(), [m.float() for m in maps], pooled.float())


def evaluate(model: torch.nn.Module, images: Images, which: torch.Tensor, run: Run) -> torch.Tensor:
    """Logits (N, K) of uint8 images in evaluation mode, float32, on the CPU."""
    model.eval()
    with torch.no_grad(), autocast(run, which.device), blame(_named(run)):
        parts = [model(images.normalise(chunk)).float() for chunk in which.split(EVALUATION_CHUNK) if len(chunk)]
    return torch.cat(parts).cpu() if parts else torch.empty(0, images.num_classes)


def pooled_width(run: Run) -> int:
    """How many numbers the network's pooled feature has."""
    _, channels, side, _ = promised(run.data)
    side = run.image_size or side
    with torch.no_grad(), blame(f"{_named(run)} with features=True"):
        return network(run).eval()(torch.zeros(1, channels, side, side), features=True)[2].shape[1]


def autocast(run: Run, device: torch.device) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16")


def _named(run: Run) -> str:
    return f"the network {run.network}"
