"""Images in the Parquet shards of the Hugging Face hub: `{train,test}-NNNNN-of-NNNNN.parquet`.

Column `img` is a struct of `bytes` (one encoded image: PNG, WebP or whatever Pillow reads) and `path`; a label column
holds whole numbers, and the class names stand in the schema's metadata under `huggingface`.
"""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from kdlib.data.images import validated
from kdlib.data.storage import Arrays, damaged
from kdlib.registry import KdlibError

# {0}: as a plain folder; as `hf download uoft-cs/{0} --local-dir {0}` lays down CIFAR-10, and CIFAR-100.
FOLDERS = ("{0}", "{0}/plain_text", "{0}/{0}")
MISSPELT = {"cra": "crab"}  # a class of CIFAR-100, as the hub spells it and as the authors do


def patterns(name: str, split: str) -> list[str]:
    """Where shards are looked for, under the root."""
    return [f"{folder.format(name)}/{split}-*-of-*.parquet" for folder in FOLDERS]


def shards(root: Path, name: str, split: str) -> list[Path]:
    """All shards of a split, in order; none if there are none of any split. KdlibError if only some are there."""
    for folder in (root / place.format(name) for place in FOLDERS):
        if any(folder.glob("*-of-*.parquet")):
            return _whole(folder, name, split)
    return []


def _whole(folder: Path, name: str, split: str) -> list[Path]:
    found = sorted(folder.glob(f"{split}-[0-9]*-of-[0-9]*.parquet"))
    total = int(found[-1].stem.split("-of-")[1]) if found else 1
    wanted = [folder / f"{split}-{i:05d}-of-{total:05d}.parquet" for i in range(total)]
    for shard in wanted:
        if shard not in found:
            raise damaged(shard, "is missing beside the other shards", name)
    if found != wanted:
        raise KdlibError(
            f"{folder} holds shards of two divisions of '{split}' ({found[0].name} and {found[-1].name}): keep the "
            "shards of one."
        )
    return wanted


def read(shards: list[Path], label: str, name: str) -> Arrays:
    """The images of all shards, in their order. KdlibError that names the shard if one is damaged."""
    parts = [_read_shard(shard, label, name) for shard in shards]
    images, labels, class_names = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels), class_names[0]


def _read_shard(shard: Path, label: str, name: str) -> Arrays:
    import pyarrow.parquet  # late: decoded arrays need neither

    try:
        table = pyarrow.parquet.read_table(shard)
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        class_names = [MISSPELT.get(c, c) for c in features[label]["names"]]
        encoded = table["img"].combine_chunks().field("bytes").to_pylist()
        labels = table[label].to_numpy()
    except (pyarrow.ArrowException, OSError) as error:
        raise damaged(shard, f"is no whole Parquet file ({str(error).splitlines()[0]})", name) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(shard, f"lacks the columns or class names of the hub ({error})", name) from None
    pixels = [_decode(data, shard, row, name) for row, data in enumerate(encoded)]
    images = np.array(pixels, np.uint8).reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)
    return validated(
        name, (images, labels, class_names), lambda trouble: damaged(shard, f"cannot be used ({trouble})", name)
    )


def _decode(data: bytes, shard: Path, row: int, name: str) -> np.ndarray:
    try:
        image = Image.open(io.BytesIO(data))
        pixels = np.asarray(image)
    except (OSError, SyntaxError, TypeError, ValueError) as error:
        raise damaged(shard, f"has an image in row {row} that cannot be decoded ({error})", name) from None
    if pixels.shape != (32, 32, 3):
        size = f"{image.width} x {image.height} {image.mode}"
        raise damaged(shard, f"has an image in row {row} that is {size}, not 32 x 32 RGB", name)
    return pixels
