"""A bare process that wakes once a second and does nothing else."""

from __future__ import annotations

import asyncio


def tick_for_ever() -> None:
    """Wake once a second."""
    asyncio.run(_ticking())


async def _ticking() -> None:
    while True:
        await asyncio.sleep(1.0)
