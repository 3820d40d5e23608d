"""The three-stage residual networks for CIFAR (He et al. 2016, section 4.2), with 1x1-convolution shortcuts."""

from kdlib.models.resnet import BasicBlock, ResNet


def cifar_resnet(num_classes: int, channels: int, image_size: int, depth: int) -> ResNet:
    """Residual network for CIFAR (He et al. 2016): three stages of widths 16, 32, 64, for images of any size.

    Each stage has (depth - 2) / 6 basic blocks.
    """
    return ResNet(BasicBlock, [(depth - 2) // 6] * 3, (16, 32, 64), num_classes, channels)
