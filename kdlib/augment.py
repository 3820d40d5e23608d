"""What happens to a batch of images.

An augmentation is a function (images, draw, flip) -> images: uint8 (B, C, H, W) in and out; `draw(purpose, choices)`
gives a whole number below `choices` for each image, int64 (B,); `flip` says whether a mirrored image keeps its label
(it does not for digits).

A mixing makes one batch of several orders of it, after it was normalised. It is a function (images, key, alpha) ->
(images, parts): float (B, C, H, W) in and out; `key` is the batch's own, for kdlib.draws; `alpha` is that of the Beta
distribution behind all mixings. `parts` says of what the new images are made: a list of (order, weights), with (B,)
places in the batch and (B,) shares, which sum to 1 for each image; the first is the heaviest.

torch and numpy are imported late, because a run's key reads these tables.
"""

from kdlib.registry import Registry

augmentations = Registry("augmentation", __name__)
mixings = Registry("mixing", __name__)


@augmentations.register("none", version=1)
def none(images, draw, flip):
    """Images as they are."""
    return images


@augmentations.register("standard", version=1)
def standard(images, draw, flip):
    """Random crop with an eighth of the side in zeros of padding (4 at 32), and a mirror image with probability 1/2.

    Both are drawn per image and done as one gather.
    """
    import torch

    count, channels, height, width = images.shape
    pad = height // 8
    padded = torch.nn.functional.pad(images, (pad, pad, pad, pad))
    rows = draw("crop rows", 2 * pad + 1)[:, None] + torch.arange(height, device=images.device)
    columns = draw("crop columns", 2 * pad + 1)[:, None] + torch.arange(width, device=images.device)
    if flip:
        columns = torch.where(draw("flip", 2)[:, None] == 1, columns.flip(1), columns)
    pixels = (rows[:, :, None] * (width + 2 * pad) + columns[:, None, :]).view(count, 1, height * width)
    return padded.flatten(2).gather(2, pixels.expand(-1, channels, -1)).view_as(images)


@mixings.register("none", version=1)
def unmixed(images, key, alpha):
    """Each image for itself."""
    return images, [(slice(None), None)]


@mixings.register("mixup", version=1)
def mixup(images, key, alpha):
    """lam x + (1 - lam) x' with another image x' (Zhang et al. 2018), lam ~ Beta(alpha, alpha) once per batch.

    lam is at least 1/2: the same distribution of images, and the first one is the heavier.
    """
    import torch
    from scipy.special import betaincinv

    from kdlib import draws

    share = betaincinv(alpha, alpha, draws.uniform(1, *key, "mixup share")[0])
    share = float(max(share, 1 - share))
    order = torch.from_numpy(draws.permutation(len(images), *key, "mixup partner")).to(images.device)
    weights = images.new_full((len(images),), share)
    return share * images + (1 - share) * images[order], [(slice(None), weights), (order, 1 - weights)]
