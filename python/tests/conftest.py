"""What several modules of tests are run with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hereafter import inspect


@pytest.fixture
def inspected() -> Iterator[None]:
    """Deferreds that are made in a test keep their histories."""
    inspect.enable()
    yield
    inspect.disable()
