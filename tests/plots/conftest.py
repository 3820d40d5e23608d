"""Every test has the look of notebooks."""

import figures
import pytest


@pytest.fixture(autouse=True)
def _themed():
    with figures.themed():
        yield
