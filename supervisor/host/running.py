"""A process that runs: how to signal it, and how to learn that and how it ended.

Death is told by a pidfd, never by a stream's end. How it ended is told by whoever is its parent: the
forkserver through the sentinel, or the launcher. When that parent is lost first, the process dies by
PDEATHSIG and the cause is the parent.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Final, Protocol

from supervisor.engine.events import ExitStatus
from supervisor.host.errors import LauncherLost
from supervisor.host.forkserver import Forked, read_exit_code
from supervisor.host.killing import kill_group
from supervisor.host.launcher_client import Launched
from supervisor.host.pidfd import open_pidfd
from supervisor.host.readable import until_readable, wake

_WORD_PATIENCE = 2.0
"""Seconds granted to the parent of a dead process to tell how it ended."""
PARENT_LOST = ExitStatus(signal="SIGKILL", cause="forkserver")
UNKNOWN = ExitStatus()
_SIGNALS: Final = {int(known): known.name for known in signal.Signals}


class Running(Protocol):
    """A started process. ``pid`` is that of the leader, its session and its group; ``parent`` forked it."""

    pid: int
    parent: int
    understands_stacks: bool

    async def ended(self) -> ExitStatus:
        """Wait until the leader has ended."""
        ...

    def send(self, *signals: int) -> None:
        """Signal the leader; nothing happens when it has ended."""
        ...

    def kill(self) -> None:
        """SIGKILL the leader and its whole group; nothing happens when the leader has ended."""
        ...

    def release(self) -> None:
        """Close what is held of it. Only after ``ended``."""
        ...


class _Leader:
    """What is common to both sorts: the pidfd."""

    def __init__(self, loop: asyncio.AbstractEventLoop, pid: int, parent: int, pidfd: int | None) -> None:
        self.pid = pid
        self.parent = parent
        self._loop = loop
        self._pidfd = pidfd

    def send(self, *signals: int) -> None:
        """See :class:`Running`."""
        for number in signals if self._pidfd is not None else ():
            try:
                signal.pidfd_send_signal(self._pidfd, number)  # type: ignore[arg-type]  # tested above
            except (ProcessLookupError, PermissionError):
                # Gone, or a set-uid program that only its own user may stop.
                return

    def kill(self) -> None:
        """See :class:`Running`."""
        if self._pidfd is None:
            return
        try:
            # First the leader by its pidfd: that it is still there proves whose the group's number is.
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:
            pass  # a set-uid program; the rest of its group may be ours
        kill_group(self.pid)

    def release(self) -> None:
        """See :class:`Running`."""
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    async def _dead(self) -> None:
        if self._pidfd is not None:
            await until_readable(self._loop, self._pidfd)


class Worker(_Leader):
    """A Python worker, child of the forkserver."""

    understands_stacks = True

    def __init__(self, loop: asyncio.AbstractEventLoop, forked: Forked) -> None:
        super().__init__(loop, forked.pid, forked.parent, open_pidfd(forked.pid, forked.parent))
        self._sentinel, self._lifeline = forked.sentinel, forked.lifeline

    async def ended(self) -> ExitStatus:
        """See :class:`Running`."""
        await self._dead_or_bereft()
        try:
            async with asyncio.timeout(_WORD_PATIENCE):
                await until_readable(self._loop, self._sentinel)
        except TimeoutError:
            return UNKNOWN
        code = read_exit_code(self._sentinel)
        if code is not None:
            return exit_status(code)
        self.kill()
        await self._dead()
        return PARENT_LOST

    def release(self) -> None:
        """See :class:`Running`."""
        super().release()
        os.close(self._sentinel)
        os.close(self._lifeline)

    async def _dead_or_bereft(self) -> None:
        """Wait for the end of the worker or of the forkserver, whichever comes first."""
        if self._pidfd is None:
            return
        woken = self._loop.create_future()
        for descriptor in (self._pidfd, self._sentinel):
            self._loop.add_reader(descriptor, wake, woken)
        try:
            await woken
        finally:
            for descriptor in (self._pidfd, self._sentinel):
                self._loop.remove_reader(descriptor)


class CommandProcess(_Leader):
    """A command, child of the launcher."""

    understands_stacks = False

    def __init__(self, loop: asyncio.AbstractEventLoop, launched: Launched) -> None:
        super().__init__(loop, launched.pid, launched.parent, launched.pidfd)
        self._ended = launched.ended

    async def ended(self) -> ExitStatus:
        """See :class:`Running`."""
        try:
            return exit_status(os.waitstatus_to_exitcode(await self._ended))
        except LauncherLost:
            self.kill()
            await self._dead()
            return PARENT_LOST


def exit_status(code: int) -> ExitStatus:
    """Translate an exit code; a negative one is a signal's number."""
    return ExitStatus(code=code) if code >= 0 else ExitStatus(signal=_SIGNALS.get(-code, f"SIG{-code}"))
