"""From stored pixels to a normalised batch, cropped and flipped, on one core."""

from statistics import median

import torch

from kdlib import augment, draws
from kdlib.bench import usual
from kdlib.bench.measure import Result, in_turns, intra_op, seconds, seconds_an_item
from kdlib.bench.ours import shares
from kdlib.bench.sample import NAME, sample
from kdlib.run import Run
from kdlib.training.batches import Images


def crop_flip(batch: int = 128, steps: int = 20, rounds: int = 5) -> Result:
    """Our batches against a DataLoader without workers with torchvision's PIL transforms; crop and flip alone, too."""
    source = sample(steps * batch)
    run = Run(data=NAME, network="cnn2", epochs=1, batch_size=batch)
    images = Images(run)
    with intra_op(1), usual.process(1) as call:
        turns = in_turns(
            rounds,
            lambda: call(usual.loading_seconds, run, steps * batch, steps, 0),
            lambda: seconds_an_item(images.batches(0), steps),
        )
        bare = call(usual.crop_flip_seconds, run, steps * batch)
        parts = _parts(images, batch)
    usual_ms, ours_ms = 1e3 * median(turns.usual), 1e3 * median(turns.ours)
    return Result(
        name="crop_flip",
        value=turns.ratio,
        target=10,
        usual=usual_ms,
        ours=ours_ms,
        unit=f"ms a batch of {batch} on one core",
        limit=f"passes over memory, a few per batch; nothing is left that is done image by image. Our time goes to "
        f"{shares(parts)}.",
        details=(
            f"from stored uint8 pixels to a normalised float32 batch; {steps} batches a round, {turns}; "
            f"images: {source}",
            f"crop and flip alone: PIL {1e3 * bare:.2f} ms, ours {1e3 * parts['crop and flip']:.2f} ms per batch, "
            f"{bare / parts['crop and flip']:.1f} x.",
            f"the usual way: {1e3 * batch / usual_ms:.0f} images/s on one core; ours: {1e3 * batch / ours_ms:.0f}.",
        ),
    )


def _parts(images: Images, batch: int) -> dict[str, float]:
    """Seconds per batch, each alone; the random numbers count as crop and flip."""
    index = torch.arange(batch)
    pixels = images.images[index]

    def draw(purpose: str, choices: int) -> torch.Tensor:
        return torch.from_numpy((draws.words(batch, purpose) % choices).astype("int64"))

    return {
        "picking images": seconds(lambda: images.images[index], 50),
        "crop and flip": seconds(lambda: augment.standard(pixels, draw, True), 50),
        "normalising": seconds(lambda: images.normalise(pixels), 50),
    }
