"""A bare process that wakes once a second and does nothing else."""

from __future__ import annotations

import asyncio
import itertools


def tick_for_ever() -> None:
    """Wake once a second."""
    asyncio.run(_ticking())


async def _ticking() -> None:
    for _ in itertools.count():
        await asyncio.sleep(1.0)
