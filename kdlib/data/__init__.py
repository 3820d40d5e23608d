"""Data sets by name, and their splits.

A data set is a function of (split, root), split "train" or "test" and root a folder, that returns (images, labels,
class names): uint8 N x C x H x W and integers N, tensors or arrays. Its options: `num_classes`, `channels`, `size`
(side in pixels); `held_out` (held-out training images per class) or `held_out_total`; `flip` (may images be mirrored?).
Nothing here imports torch until one of the functions below is first used.

>>> from kdlib import data
>>> images, labels, class_names = data.load("digits", "train")
>>> images.shape, labels.bincount().tolist()[:3]
(torch.Size([1257, 1, 8, 8]), [124, 127, 124])
>>> train, held_out = data.held_out_split(labels, total=157)
>>> len(train), len(held_out)
(1100, 157)

A data set of one's own is registered above its definition, and a run may name it at once:

    @kdlib.datasets.register("mine", num_classes=2, channels=1, size=8, held_out=50, flip=False)
    def mine(split, root):
        with np.load(root / f"{split}.npz") as file:
            return file["images"], file["labels"], ["no", "yes"]
"""

from kdlib import lazy
from kdlib.registry import Registry

datasets = Registry("data set", __name__)
datasets.add("digits", "kdlib.data.sources:digits", num_classes=10, channels=1, size=8, held_out_total=157, flip=False)
datasets.add("cifar10", "kdlib.data.sources:cifar10", num_classes=10, channels=3, size=32, held_out=500, flip=True)
datasets.add("cifar100", "kdlib.data.sources:cifar100", num_classes=100, channels=3, size=32, held_out=50, flip=True)

_HOMES = {
    "load": "images",
    "describe": "catalogue",
    "overview": "catalogue",
    "fingerprint": "split",
    "halve": "split",
    "held_out_split": "split",
    "long_tailed_counts": "split",
}

__getattr__, __dir__, __all__ = lazy.door(__name__, _HOMES)
__all__ += ["datasets"]
