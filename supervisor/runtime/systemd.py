"""The root's word to systemd: ready, status, stopping, and the watchdog's beat (sd_notify(3)).

Ready means that the first start has gone through all children; a child that failed at it does not keep the
service from being up, for its restarts are this program's business. ``STATUS=`` tells how the children are.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Final

from supervisor.runtime.rootlog import say

_STATUS_PAUSE_S: Final = 0.2
"""A storm of changes becomes one status line in so many seconds."""
_AGAIN_S: Final = 1.0


@dataclass(frozen=True)
class Address:
    """Where systemd listens, and how often it wants a beat (seconds; None: never)."""

    socket: str
    watchdog: float | None = None

    @classmethod
    def taken_from(cls, environ: MutableMapping[str, str]) -> Address | None:
        """Take the variables out of ``environ``: they are for this process, not for its children.

        None where nobody listens.
        """
        path = environ.pop("NOTIFY_SOCKET", "")
        period = environ.pop("WATCHDOG_USEC", "")
        meant_for = environ.pop("WATCHDOG_PID", "")
        if not path:
            return None
        wanted = period.isdigit() and int(period) > 0 and meant_for in {"", str(os.getpid())}
        return cls(path, int(period) / 1e6 if wanted else None)

    @property
    def name(self) -> str:
        """As the socket's functions want it: ``@`` begins an abstract name."""
        return f"\0{self.socket[1:]}" if self.socket.startswith("@") else self.socket


@dataclass(frozen=True)
class Condition:
    """What systemd is to know of the tree."""

    started: bool
    stopping: bool
    status: str


class Systemd:
    """Tells systemd what has changed. Does nothing at all without an address. For the loop's thread.

    ``condition`` is asked when something may have changed. ``close`` must be called once.
    """

    def __init__(self, address: Address | None, condition: Callable[[], Condition]) -> None:
        self._address = address
        self._condition = condition
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = None
        self._told: set[str] = set()
        self._look: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._complained = False

    def open(self) -> None:
        """Begin to beat, from the loop itself: a loop that hangs does not."""
        if self._address is None:
            return
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(0)
        self._send(f"MAINPID={os.getpid()}")
        self._beat_on()
        self.changed()

    def changed(self) -> None:
        """Look soon whether systemd must be told something. Any number of calls become one look."""
        if self._socket is not None and self._look is None:
            self._look = self._loop.call_later(_STATUS_PAUSE_S, self._tell)

    def stopping(self) -> None:
        """Tell at once that the end has begun: there may be no later."""
        if self._socket is not None:
            self._tell()

    def close(self) -> None:
        """Say the last word and let go of the socket."""
        for timer in (self._look, self._beat):
            if timer is not None:
                timer.cancel()
        if self._socket is not None:
            self._tell_all(self._condition())
            self._socket.close()
        self._socket = self._look = self._beat = None

    def _tell(self) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look = None
        if not self._tell_all(self._condition()):
            self._look = self._loop.call_later(_AGAIN_S, self._tell)

    def _tell_all(self, condition: Condition) -> bool:
        """Send what is not known yet; False when something did not go out."""
        words = [f"STATUS={condition.status}"]
        if condition.started and not condition.stopping:
            words.append("READY=1")
        if condition.stopping:
            words.append("STOPPING=1")
        new = [word for word in words if word not in self._told]
        if not new:
            return True
        if not self._send("\n".join(new)):
            return False
        self._told = {word for word in self._told if not word.startswith("STATUS=")} | set(words)
        return True

    def _beat_on(self) -> None:
        if self._address is not None and self._address.watchdog is not None:
            self._send("WATCHDOG=1")
            self._beat = self._loop.call_later(self._address.watchdog / 2, self._beat_on)

    def _send(self, message: str) -> bool:
        if self._socket is None or self._address is None:
            return False
        try:
            self._socket.sendto(message.encode(), self._address.name)
        except (OSError, ValueError) as error:
            self._complain(error)
            return False
        return True

    def _complain(self, error: Exception) -> None:
        if not self._complained and self._address is not None:
            self._complained = True
            say("WARNING", f"systemd cannot be told anything at {self._address.socket}: {error}")
