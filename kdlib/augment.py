"""What happens to a batch of images before it is normalised.

An augmentation is a function (images, draw, flip) -> images: uint8 (B, C, H, W) in and out; `draw(purpose, choices)`
gives a whole number below `choices` for each image, int64 (B,); `flip` says whether a mirrored image keeps its label
(it does not for digits). torch is imported late, because a run's key reads this table.
"""

from kdlib.registry import Registry

augmentations = Registry("augmentation")


@augmentations.register("none", version=1)
def none(images, draw, flip):
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
