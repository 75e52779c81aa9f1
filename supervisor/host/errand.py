"""Commands that the root runs beside a child and waits for: exec probes.

They go through the launcher like every command and so die with the root; but nobody restarts them, their
output is thrown away, and they have little time.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

from supervisor.engine.events import ExitStatus
from supervisor.host.launcher_client import LauncherClient
from supervisor.host.running import CommandProcess

_KILL_PATIENCE: Final = 1.0
_CLOSE_PATIENCE: Final = 2.0


class Errands:
    """Runs them. All methods belong to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, launcher: LauncherClient) -> None:
        self._loop, self._launcher = loop, launcher
        self._under_way: dict[asyncio.Task[ExitStatus], _Errand] = {}

    async def run(self, order: dict[str, Any], limit: float) -> ExitStatus:
        """Run a command to its end.

        After ``limit`` seconds, or when the caller is cancelled, it is killed with its group. Raises
        StartFailed, or TimeoutError once it is gone.
        """
        errand = _Errand(self._loop, self._launcher)
        task = self._loop.create_task(errand.run(order), name=f"errand {order['argv'][0]}")
        self._under_way[task] = errand
        task.add_done_callback(self._over)
        try:
            done, _ = await asyncio.wait({task}, timeout=limit)
        finally:
            errand.kill()
        if not done:
            # In vain only when it hangs in the kernel.
            await asyncio.wait({task}, timeout=_KILL_PATIENCE)
            raise TimeoutError
        return task.result()

    async def close(self) -> None:
        """Kill all that are under way."""
        for errand in self._under_way.values():
            errand.kill()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_CLOSE_PATIENCE)

    def _over(self, task: asyncio.Task[ExitStatus]) -> None:
        del self._under_way[task]
        if not task.cancelled():
            task.exception()  # whoever waited for it may have been cancelled


class _Errand:
    """One command; a kill that comes before its process is remembered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, launcher: LauncherClient) -> None:
        self._loop, self._launcher = loop, launcher
        self._process: CommandProcess | None = None
        self._doomed = False

    async def run(self, order: dict[str, Any]) -> ExitStatus:
        """Start it and wait for its end. Raises StartFailed."""
        launched = await self._launcher.spawn(order, os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
        self._process = CommandProcess(self._loop, launched)
        if self._doomed:
            self._process.kill()
        try:
            return await self._process.ended()
        finally:
            self._process.release()
            self._launcher.untrack(launched.pid)

    def kill(self) -> None:
        """Kill it with its group; nothing happens when it is over."""
        self._doomed = True
        if self._process is not None:
            self._process.kill()
