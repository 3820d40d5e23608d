"""Residual networks (He et al. 2016) with the CIFAR stem: one 3x3 convolution of stride 1, no max-pool.

Submodules are named as in torchvision and in most public code, so that weights from elsewhere load.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from kdlib.models.layers import convolution


class BasicBlock(nn.Module):
    """Two 3x3 convolutions."""

    expansion = 1  # output channels per unit of width
    followed_by = {"conv1": "bn1", "conv2": "bn2"}

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x), inplace=True)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions; the stride is the 3x3's, as in torchvision."""

    expansion = 4
    followed_by = {"conv1": "bn1", "conv2": "bn2", "conv3": "bn3"}

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x), inplace=True)


class Projection(nn.Sequential):
    """A shortcut where the shape changes: a 1x1 convolution with BatchNorm."""

    followed_by = {"0": "1"}

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Identity() if inputs == outputs and stride == 1 else Projection(inputs, outputs, stride)


class ResNet(nn.Module):
    """A stem, `len(blocks)` stages, global average pooling and a linear layer, for images of any size.

    Every stage after the first halves the map. The stage maps are the stages' outputs (after the ReLU), the pooled
    feature is the mean of the last one over space.
    """

    followed_by = {"conv1": "bn1"}

    def __init__(self, block: type, blocks: Sequence[int], widths: Sequence[int], num_classes: int, channels: int):
        super().__init__()
        self.conv1 = convolution(channels, widths[0], 3)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = [f"layer{i}" for i in range(1, len(blocks) + 1)]
        inputs = widths[0]
        for name, count, width in zip(self.stages, blocks, widths, strict=True):
            stage = nn.Sequential()
            for i in range(count):
                stage.append(block(inputs, width, stride=2 if i == 0 and name != "layer1" else 1))
                inputs = width * block.expansion
            self.add_module(name, stage)
        self.fc = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor, features: bool = False) -> Tensor | tuple[Tensor, list[Tensor], Tensor]:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        maps = []
        for name in self.stages:
            x = getattr(self, name)(x)
            maps.append(x)
        pooled = x.mean((2, 3))
        logits = self.fc(pooled)
        return (logits, maps, pooled) if features else logits


BLOCKS = {18: (BasicBlock, (2, 2, 2, 2)), 50: (Bottleneck, (3, 4, 6, 3))}


def resnet(num_classes: int, channels: int, image_size: int, depth: int) -> ResNet:
    """Residual network of four stages of widths 64 to 512 (He et al. 2016), for images of any size."""
    block, blocks = BLOCKS[depth]
    return ResNet(block, blocks, (64, 128, 256, 512), num_classes, channels)
