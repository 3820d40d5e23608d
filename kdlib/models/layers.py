"""What the networks share."""

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Bias-free `size` x `size` convolution that keeps the map's side at stride 1; initialised as in He et al. 2015."""
    layer = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """The network in evaluation mode, each BatchNorm that directly follows a convolution made part of its weights: the
    same function up to rounding, one pass over every map less.

    A module says which ones in its class attribute `followed_by`, {"conv1": "bn1"}; one without it stays as it is.
    """
    model.eval()
    for module in model.modules():
        for convolution, norm in getattr(module, "followed_by", {}).items():
            layers = getattr(module, convolution), getattr(module, norm)
            setattr(module, convolution, fuse_conv_bn_eval(*layers))
            setattr(module, norm, nn.Identity())
    return model
