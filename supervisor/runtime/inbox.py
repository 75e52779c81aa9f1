"""The way of every event: one at a time into the engine, and what the engine wants done out again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from supervisor.engine import events
from supervisor.engine.commands import Command, Report
from supervisor.engine.engine import Engine

Perform = Callable[[Command], None]


class Inbox:
    """``now`` tells the time, ``perform`` does what the engine wants, ``broken`` hears of defects."""

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], float],
        perform: Perform,
        broken: Callable[[BaseException], None],
    ) -> None:
        self._engine, self._now, self._perform, self._broken = engine, now, perform, broken
        self._queue: deque[events.Event] = deque()
        self._draining = False

    def take(self, event: events.Event) -> bool:
        """Handle an event, and those that come of it; False when one is in hand and this one waits its turn.

        An exception from within is told to ``broken`` and raised.
        """
        self._queue.append(event)
        if self._draining:
            return False
        self._draining = True
        try:
            while self._queue:
                commands = self._engine.handle(self._queue.popleft(), self._now())
                # Who is down waits for what is to be done; what is to be told can wait for that.
                for command in sorted(commands, key=_is_news):
                    self._perform(command)
        except Exception as defect:
            self._broken(defect)
            raise
        finally:
            self._draining = False
        return True


def _is_news(command: Command) -> bool:
    return isinstance(command, Report)
