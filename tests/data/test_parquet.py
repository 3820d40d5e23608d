"""Shards where they customarily lie; damage gets a sentence with the name of its file, never another source instead."""

import pyarrow.parquet as pq
import pytest
from cifar import COUNTS, NAMES, encode, encode_all, few, images_of, write_parquet, write_pickles, write_shard

from kdlib import data
from kdlib.registry import KdlibError


@pytest.mark.parametrize("folder", ["cifar10", "cifar10/plain_text", "cifar10/cifar10"])
def test_customary_folders_of_shards(folder, root, monkeypatch):
    write_parquet(root, "cifar10", folder)
    monkeypatch.setenv("KDLIB_DATA", str(root))
    assert len(data.load("cifar10", "train")[0]) == COUNTS["train"]


def test_the_hub_misspells_the_crab(root):
    images, labels = images_of("cifar100", "test")
    shard = root / "cifar100" / "test-00000-of-00001.parquet"
    write_shard(shard, encode_all(images), labels, "fine_label", ["cra", *NAMES["cifar100"][1:]])
    assert data.load("cifar100", "test", root)[2][:2] == ["crab", "class 1"]


GOOD, KINDS = images_of("cifar10", "train")
DAMAGE = {
    "is missing": lambda shard: shard.unlink(),
    "is no whole Parquet file": lambda shard: shard.write_bytes(shard.read_bytes()[:-100]),
    "magic bytes": lambda shard: shard.write_text("version https://git-lfs.github.com/spec/v1"),
    "a label is 10;": lambda shard: write_shard(shard, encode_all(GOOD), KINDS + 1),
    "a label is -1;": lambda shard: write_shard(shard, encode_all(GOOD), KINDS - 1),
    "24 whole numbers": lambda shard: write_shard(shard, encode_all(GOOD), [None, *KINDS[1:].tolist()]),
    "row 0 that is 28 x 32 RGB": lambda shard: write_shard(shard, encode_all(GOOD[..., :28]), KINDS),
    "row 0 that is 32 x 32 L": lambda shard: write_shard(shard, [encode(image[0]) for image in GOOD], KINDS),
    "row 1 that cannot be decoded": lambda shard: write_shard(
        shard, [e[: -500 * (i == 1) or None] for i, e in enumerate(encode_all(GOOD))], KINDS
    ),
    "row 0 that cannot be decoded": lambda shard: write_shard(shard, [None, *encode_all(GOOD[1:])], KINDS),
    "lacks the columns": lambda shard: write_shard(shard, encode_all(GOOD), KINDS, label="fine_label"),
    "or class names": lambda shard: pq.write_table(pq.read_table(shard).replace_schema_metadata(None), shard),
    "1 class names; give 10": lambda shard: write_shard(shard, encode_all(GOOD), KINDS, names=["one"]),
    "images are 0": lambda shard: write_shard(shard, [], []),
}


@pytest.mark.parametrize("trouble", DAMAGE)
def test_damaged_shards(trouble, root):
    write_parquet(root, "cifar10")
    archive = write_pickles(root, "cifar10")
    shard = root / "cifar10" / "train-00001-of-00002.parquet"
    DAMAGE[trouble](shard)
    with pytest.raises(KdlibError) as error:
        data.load(few(archive), "train", root)
    assert str(shard) in str(error.value) and trouble in str(error.value)
    assert "python -m kdlib data cifar10" in str(error.value)


def test_shards_of_another_split_or_of_two_divisions(root):
    write_parquet(root, "cifar10")
    folder = root / "cifar10"
    (folder / "train-00000-of-00001.parquet").write_bytes((folder / "train-00000-of-00002.parquet").read_bytes())
    with pytest.raises(KdlibError, match="two divisions of 'train'"):
        data.load("cifar10", "train", root)
    (folder / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(KdlibError, match="test-00000-of-00001.parquet is missing"):
        data.load("cifar10", "test", root)
