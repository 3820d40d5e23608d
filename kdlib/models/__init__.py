"""The networks by name, one family a file.

A network is a class or function of (num_classes, channels, image_size) and, if it has one, width, that makes a module:
`model(x)` gives logits (B, K); `model(x, features=True)` gives (logits, [stage maps (B, C, H, W)], pooled (B, D)).
Initial weights come from torch's global generator. Nothing here imports torch until a network is built.
"""

import inspect

from kdlib.registry import KdlibError, Registry

networks = Registry("network", __name__)

for depth in (8, 14, 20, 32, 44, 56, 110):
    networks.add(f"resnet{depth}", "kdlib.models.cifar_resnet:cifar_resnet", depth=depth)
for depth in (18, 50):
    networks.add(f"resnet{depth}", "kdlib.models.resnet:resnet", depth=depth)
networks.add("cnn2", "kdlib.models.cnn2:CNN2")


def build(name: str, num_classes: int, channels: int = 3, image_size: int = 32, width: int | None = None):
    """The named network, newly initialised, for images `channels` x `image_size` x `image_size`.

    `width` None is the network's own. Raises KdlibError for an unknown name, or a width that the network does not have.
    """
    entry = networks[name]
    make = entry.load()
    settings = {"num_classes": num_classes, "channels": channels, "image_size": image_size, **entry.options}
    if "width" in inspect.signature(make).parameters:
        settings["width"] = width
    elif width is not None:
        raise KdlibError(f"Network '{name}' has no width, but was given {width}: leave width out.")
    return make(**settings)
