"""A store with trained runs, for what lists, exports and looks after them."""

import shutil

import pytest
import tiny

import kdlib
from kdlib.store import Store


@pytest.fixture(scope="session")
def _trained_once(tmp_path_factory):
    store, chosen = Store(tmp_path_factory.mktemp("trained"), results=""), tiny.study(2)
    return store, chosen, kdlib.train([*chosen, tiny.run(1, lr=1e30)], threads=1, store=store)


@pytest.fixture
def trained(_trained_once, tmp_path):
    """A store of the test's own, the study's students, and the table of them and of one run that failed."""
    made, chosen, table = _trained_once
    shutil.copytree(made.root, tmp_path / "runs", ignore=shutil.ignore_patterns("*.lock"))
    return Store(tmp_path / "runs", results=tmp_path / "results"), chosen, table
