"""What the tests of the shell share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loguru import logger

from tests.support.smalldisk import failing_disk, small_disk

__all__ = ["failing_disk", "small_disk"]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the log of simulated workers out of the reports."""
    logger.disable("workers")
    yield
    logger.enable("workers")


@pytest.fixture(autouse=True)
def no_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the brokers of a simulated world, one after the other, live in this one process."""
    monkeypatch.setattr("workers.broker.app.hold", lambda path: 0)
