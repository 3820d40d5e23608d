"""A place for data of a test's own."""

import pytest


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty folder for data, and a cache of its own."""
    monkeypatch.setenv("KDLIB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KDLIB_DATA", raising=False)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"
