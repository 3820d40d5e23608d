"""What `python -m kdlib data` shows."""

from cifar import write_parquet

from kdlib import data


def test_describe_and_overview(root):
    write_parquet(root, "cifar10")
    text = data.overview(root)
    assert f"Parquet shards in {root / 'cifar10'}" in text
    assert "not here: `python -m kdlib data cifar100`" in text
    described = data.describe("digits")
    for part in ("1,100 images", "157 images", "540 images", "b3c44e63614f39b1", "scikit-learn"):
        assert part in described
