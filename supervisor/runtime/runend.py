"""When a run ends although nobody has asked for it: its work is done, or it cannot be done any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from protocol.messages.control import Done
from protocol.messages.notice import SupervisionEvent
from supervisor.runtime.news import News

Stop = Callable[[int, str], None]
"""Begin the orderly end with this exit code, because of this child or option; harmless when repeated."""


class RunEnd:
    """Judges the run. ``max_restarts``: more of them, whoever's, end it with 1.

    ``members``: without one of these it cannot come to its end, so it ends with 1 when one is given up.
    ``peers``: who else is wanted and runs the program of a child. The run is over when all members of one
    program have finished: two markets are two recordings, of which one ends first.
    ``stopping``: whether it is ending already.
    """

    def __init__(
        self,
        max_restarts: int | None,
        members: frozenset[str],
        *,
        news: News,
        stop: Stop,
        peers: Callable[[str], frozenset[str]],
        stopping: Callable[[], bool],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._max_restarts, self._members = max_restarts, members
        self._news, self._stop, self._peers, self._stopping = news, stop, peers, stopping
        self._restarts = 0
        self._finished: dict[str, Done] = {}

    def restarted(self, child: str) -> None:
        """A child is restarted. One time too many is told as an event, so that the notifier tells it on."""
        self._restarts += 1
        if self._max_restarts is not None and self._restarts == self._max_restarts + 1:
            what = f"more than {self._max_restarts} restarts in this run: stopping"
            self._news.record(SupervisionEvent(event="warning", child=child, facts={"what": what}))
            self._loop.call_soon(self._stop, 1, "--max-restarts")

    def given_up(self, child: str) -> None:
        """A child is parked or held."""
        if child in self._members and not self._stopping():
            self._news.say("CRITICAL", f"this run cannot end without {child}, which is given up: stopping")
            self._loop.call_soon(self._stop, 1, child)

    def done(self, child: str, done: Done) -> None:
        """A child has finished all its work."""
        news, self._finished[child] = child not in self._finished, done
        over = [one for one in self._finished.values() if one.then == "shutdown"]
        if not over or self._stopping():
            return
        awaited = ", ".join(sorted((self._peers(child) & self._members) - self._finished.keys()))
        if child not in self._members or not awaited:
            self._news.say("INFO", f"{child} has finished its work: stopping")
            self._stop(max(one.code for one in over), child)
        elif news:
            self._news.say("INFO", f"{child} has finished its work; this run ends with that of {awaited}")
