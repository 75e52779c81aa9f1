"""A newborn as the root holds it: told once which command to become, then heard once whether it did."""

from __future__ import annotations

import asyncio
import marshal
import os
import signal
import socket
from contextlib import suppress
from typing import Any

from supervisor.host.errors import StartFailed
from supervisor.host.pidfd import open_pidfd
from supervisor.host.readable import until_readable

_LONGEST_REPORT = 1 << 16


class Standby:
    """``pid`` waits for its order, as a child of ``parent``; ``ended`` yields its wait status.

    ``orders`` and ``report`` are its descriptors, taken over here.
    """

    def __init__(self, pid: int, parent: int, ended: asyncio.Future[int], orders: int, report: int) -> None:
        self.pid, self.parent, self.ended = pid, parent, ended
        self._orders: socket.socket | None = socket.socket(fileno=orders)
        self._orders.settimeout(0)
        self._report = report
        self._pidfd = open_pidfd(pid, parent)

    def tell(self, order: dict[str, Any], output: int) -> bool:
        """Give it the order and the descriptor for its output; False when somebody has killed it.

        Raises StartFailed when the order is too long.
        """
        assert self._orders is not None
        try:
            socket.send_fds(self._orders, [marshal.dumps(order)], [output])
        except ConnectionError:
            return False
        except OSError as error:
            raise StartFailed(f"the command cannot be told what to be: {error.strerror}") from error
        return True

    async def settle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until it is the command, or is dead. Raises StartFailed when the command cannot be run."""
        await until_readable(loop, self._report)
        if told := os.read(self._report, _LONGEST_REPORT):
            sentence, permanent = marshal.loads(told)
            raise StartFailed(sentence, permanent=permanent)

    def take_pidfd(self) -> int | None:
        """Hand over the descriptor that names its process; None when it is gone already."""
        pidfd, self._pidfd = self._pidfd, None
        return pidfd

    def kill(self) -> None:
        """End it whatever it does."""
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Let go of it: without an order it ends. Harmless when repeated."""
        if self._orders is None:
            return
        self._orders.close()
        self._orders = None
        os.close(self._report)
        if (pidfd := self.take_pidfd()) is not None:
            os.close(pidfd)
