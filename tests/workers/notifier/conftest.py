"""What the tests of the notifier share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from tests.workers.notifier.desk import Desk


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep the log of a notifier that is tried hard out of the reports."""
    logger.disable("workers")
    yield
    logger.enable("workers")


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Give a maker of desks; their journals are closed afterwards."""
    made: list[Desk] = []

    def make(**keys: Any) -> Desk:
        made.append(Desk(tmp_path, **keys))
        return made[-1]

    yield make
    for desk in made:
        desk.journal.close()
