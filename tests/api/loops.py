"""Tests that are coroutines: each on a loop of its own."""

from __future__ import annotations

import asyncio
import functools
import inspect
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ParamSpec

P = ParamSpec("P")


def in_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run a coroutine function as a test; it keeps its fixtures."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            await test(*args, **kwargs)

        asyncio.run(main())

    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]  # what pytest reads
    return run


async def command(state_dir: Path, verb: str, *arguments: str) -> tuple[int, str]:
    """Run a ``supervisor`` command beside the loop; its exit status, and all that it said."""
    call: list[Any] = [sys.executable, "-m", "supervisor", verb, "--state-dir", state_dir, *arguments]
    done = await asyncio.to_thread(
        subprocess.run, call, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr
