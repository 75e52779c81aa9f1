"""What the tests of the notifier share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loguru import logger


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the log of a notifier that is tried hard out of the reports."""
    logger.disable("workers")
    yield
    logger.enable("workers")
