"""The networks by name, one family a file.

A network is a class or function of (num_classes, channels, image_size) and, if it has one, width, that makes a module:
`model(x)` gives logits (B, K); `model(x, features=True)` gives (logits, [stage maps (B, C, H, W)], pooled (B, D)).
Initial weights come from torch's global generator. Nothing here imports torch until a network is built.

>>> import torch
>>> from kdlib.models import build
>>> model = build("resnet8", num_classes=10)
>>> logits, maps, pooled = model(torch.randn(2, 3, 32, 32), features=True)
>>> logits.shape, [tuple(stage.shape[1:]) for stage in maps], pooled.shape
(torch.Size([2, 10]), [(16, 32, 32), (32, 16, 16), (64, 8, 8)], torch.Size([2, 64]))

A network of one's own is registered above its definition, and a run may name it at once:

    @kdlib.networks.register("linear")
    class Linear(nn.Sequential):
        def __init__(self, num_classes, channels, image_size):
            super().__init__(nn.Flatten(), nn.Linear(channels * image_size**2, num_classes))
"""

import inspect

from kdlib.registry import KdlibError, Registry

__all__ = ["build", "networks"]

networks = Registry("network", __name__)

for depth in (8, 14, 20, 32, 44, 56, 110):
    networks.add(f"resnet{depth}", "kdlib.models.cifar_resnet:cifar_resnet", depth=depth)
for depth in (18, 50):
    networks.add(f"resnet{depth}", "kdlib.models.resnet:resnet", depth=depth)
networks.add("cnn2", "kdlib.models.cnn2:CNN2")


def build(name: str, num_classes: int, channels: int = 3, image_size: int = 32, width: int | None = None):
    """The named network, newly initialised, for images `channels` x `image_size` x `image_size`.

    `width` None is the network's own. Raises KdlibError for an unknown name, a width that the network does not have, or
    a network of one's own that is none.

    >>> build("cnn2", num_classes=10, channels=1, image_size=8, width=4)(torch.randn(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    entry = networks[name]
    settings = {"num_classes": num_classes, "channels": channels, "image_size": image_size, **entry.options}
    if "width" in inspect.signature(entry.load()).parameters:
        settings["width"] = width
    elif width is not None:
        raise KdlibError(f"Network '{name}' has no width, but was given {width}: leave width out.")
    model = entry.call("a network takes num_classes, channels, image_size and, if it has one, width", **settings)
    if not callable(getattr(model, "state_dict", None)):
        raise KdlibError(f"Network '{name}' makes {type(model).__name__}: let it return a torch.nn.Module.")
    return model
