"""A very small student: two convolutions and a linear layer."""

import torch.nn.functional as F
from torch import Tensor, nn

from kdlib.models.layers import convolution
from kdlib.registry import KdlibError


class CNN2(nn.Module):
    """A very small student: two convolutions of `width` channels (None: 16), and a linear layer.

    Twice a 3x3 convolution, BatchNorm, 2x2 max-pool and ReLU; then the linear layer on the flattened map. The stage
    maps are those after each ReLU, the pooled feature is the mean of the last one over space, (B, width).
    Raises KdlibError for an `image_size` below 4, of which the two max-pools would leave nothing.
    """

    followed_by = {"conv1": "bn1", "conv2": "bn2"}

    def __init__(self, num_classes: int, channels: int, image_size: int, width: int | None = None):
        if image_size < 4:
            raise KdlibError(f"Network 'cnn2' got images of side {image_size}: give 4 or more.")
        super().__init__()
        width = 16 if width is None else width
        self.conv1 = convolution(channels, width, 3)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width * (image_size // 4) ** 2, num_classes)

    def forward(self, x: Tensor, features: bool = False) -> Tensor | tuple[Tensor, list[Tensor], Tensor]:
        # ReLU after the max-pool: the same values as before it, on a quarter of the elements.
        first = F.relu(F.max_pool2d(self.bn1(self.conv1(x)), 2), inplace=True)
        last = F.relu(F.max_pool2d(self.bn2(self.conv2(first)), 2), inplace=True)
        logits = self.fc(last.flatten(1))  # in the order C, H, W whatever the memory format
        return (logits, [first, last], last.mean((2, 3))) if features else logits
