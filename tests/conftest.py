"""Every test has a store of its own, and no committed records: nothing passes without training."""

import pytest
import torch

import kdlib
from kdlib.bench import benches
from kdlib.store import Store


@pytest.fixture(scope="session", autouse=True)
def _away_from_the_checkout(tmp_path_factory):
    """Where a test names no store, it gets one that lasts for the session, never the checkout's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDLIB_STORE", str(tmp_path_factory.mktemp("store")))
        patch.setenv("KDLIB_RESULTS", "")
        yield


@pytest.fixture(autouse=True)
def registries():
    """What a test registers is gone after it."""
    tables = (kdlib.networks, kdlib.terms, kdlib.augmentations, kdlib.mixings, kdlib.datasets, kdlib.evaluations)
    with pytest.MonkeyPatch.context() as patch:
        for table in (*tables, benches):
            patch.setattr(table, "_entries", dict(table._entries))
        yield


@pytest.fixture(autouse=True)
def _same_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store, which is also the default one."""
    monkeypatch.setenv("KDLIB_STORE", str(tmp_path / "runs"))
    return Store()


def pytest_collection_modifyitems(items):
    """The longest module first, so that another worker does all else meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")
