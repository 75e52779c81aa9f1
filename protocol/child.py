"""The child's side for a plain Python callable: no asyncio, no framework, a loop of your own.

::

    from protocol.child import Connection, Launch

    def main(launch: Launch) -> None:
        with Connection(launch) as root:
            open_whatever_is_needed(launch.config)
            root.ready()
            while not root.sleep(1.0):      # True once the child is to stop
                do_a_piece_of_work()
                root.beat(counters={"pieces": ...})

``start = "that_module:main"`` makes it a child. A child that says nothing for ``heartbeat.misses``
intervals counts as hung: call :meth:`Connection.beat` or :meth:`Connection.sleep` at least once an interval,
or give the child ``heartbeat = "none"``.
"""

from __future__ import annotations

import os
import select
import time
from types import TracebackType
from typing import Literal, Self

from protocol.control import Control
from protocol.errors import FrameError
from protocol.messages.control import Beat, Done, Health, Launch
from protocol.stop import Stop
from protocol.transport.zeromq import LooplessTransport

__all__ = ["Connection", "Launch"]

_LONGEST_WAIT_S = 3600.0


class Connection:
    """The way from a child to its root. A context manager, for the main thread of the child's process.

    Inside the block SIGTERM and SIGINT no longer end the process: they make :attr:`stopping` true and cut
    :meth:`sleep` short. The root need not be there, and no method waits for it.
    """

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._control = Control(launch, wall_ms=_wall_ms, bad_frame=self._refused)
        self._stop = Stop()
        self._loops = 0
        self._errors = 0
        self._last_error: str | None = None
        self._beat = Beat()
        self._done: Done | None = None
        self._transport: LooplessTransport | None = None
        self._woken, self._waker = -1, -1

    def __enter__(self) -> Self:
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop.tell(self._wake)
        try:
            self._stop.install()
            self._transport = LooplessTransport()
            self._control.connect(self._transport)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def stopping(self) -> bool:
        """Whether the child was told to stop; it has ``launch.shutdown`` seconds from then on."""
        return self._stop.asked

    def ready(self) -> None:
        """Say that the child serves from now on: to be called once, when everything it needs is there."""
        self._control.ready()
        self._report()

    def beat(
        self,
        *,
        errors: int = 0,
        last_error: str | None = None,
        health: Health = "healthy",
        reasons: tuple[str, ...] = (),
        counters: dict[str, int | str | None] | None = None,
    ) -> None:
        """Give a sign of progress. Call it as often as you like: it is sent once a heartbeat interval.

        What is given here is what ``supervisor status`` shows: ``errors`` so far and the last of them,
        ``health`` with its ``reasons`` (sentences), and ``counters`` of your own.
        """
        self._loops += 1
        self._beat = Beat(
            loops=self._loops,
            errors=errors,
            last_error=last_error,
            health=health,
            reasons=reasons,
            counters={} if counters is None else counters,
        )
        self._report()

    def sleep(self, seconds: float) -> bool:
        """Wait, beating meanwhile; return whether the child is to stop, at once when it is told so.

        ``float("inf")`` waits until then.
        """
        until = time.monotonic() + seconds
        while not self.stopping:
            now = time.monotonic()
            self._report()
            if now >= until:
                break
            self._wait(min(until, self._control.deadline) - now)
        return self.stopping

    def done(self, then: Literal["shutdown", "idle"] = "idle", code: int = 0) -> None:
        """Say that all the work there will ever be is done; ``shutdown`` asks the root to end the tree.

        The root then ends with ``code``. It is said again by :meth:`beat` and :meth:`sleep` until the root
        has noted it, so go on calling them: ``root.sleep(float("inf"))``.
        """
        self._done = Done(then, code)
        self._report()

    def _report(self) -> None:
        if self._transport is not None:
            self._transport.drain()
        self._control.report(time.monotonic(), self._current, self._done)

    def _current(self) -> Beat:
        if not self._errors:
            return self._beat
        beat = self._beat
        return Beat(
            loops=beat.loops,
            errors=beat.errors + self._errors,
            last_error=beat.last_error or self._last_error,
            health=beat.health,
            reasons=beat.reasons,
            counters=beat.counters,
        )

    def _wait(self, seconds: float) -> None:
        # A signal handler does not end a wait by itself (PEP 475): it writes to the pipe that is waited for.
        select.select([self._woken], [], [], max(0.0, min(seconds, _LONGEST_WAIT_S)))

    def _wake(self) -> None:
        try:
            os.write(self._waker, b"x")
        except BlockingIOError:
            return  # full of earlier wishes: whoever waits is woken all the same

    def _refused(self, error: FrameError) -> None:
        self._errors += 1
        self._last_error = str(error)

    def _close(self) -> None:
        self._stop.uninstall()
        self._stop.tell(None)
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        if self._woken >= 0:
            os.close(self._woken)
            os.close(self._waker)
            self._woken = self._waker = -1


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
