"""Runs ``alert_command`` for what :mod:`supervisor.runtime.alerts` says must go out."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec

from protocol.messages.notice import SupervisionEvent
from supervisor.engine.spec import Program
from supervisor.host.errors import StartFailed
from supervisor.host.guarded import Broken, guarded
from supervisor.host.port import Birth, RunErrand
from supervisor.runtime.alerts import Alert, Alerts
from supervisor.runtime.rootlog import say

LIMIT_S: Final = 30.0
"""Seconds granted to one alert: a sender that hangs must not be the next trouble."""
NAME: Final = "alert-command"
"""What its processes are marked with, in the place of a child's id."""


class AlarmBell:
    """``command`` gets the alert as JSON on stdin and its sentence as last argument; empty: nobody is told.

    All methods belong to the loop's thread. Alerts go out one after the other.
    """

    def __init__(self, command: tuple[str, ...], alerts: Alerts, *, run: RunErrand, broken: Broken) -> None:
        self._loop = asyncio.get_running_loop()
        self._command, self._alerts = command, alerts
        self._run, self._broken = run, broken
        self._ringing: asyncio.Task[None] | None = None
        self._rung = 0

    def hear(self, event: SupervisionEvent) -> None:
        """Take an event."""
        if self._command:
            self._alerts.hear(event, self._loop.time(), time.time())

    def look(self) -> None:
        """Ring for what is due; to be called every second or so."""
        if not self._command or (self._ringing is not None and not self._ringing.done()):
            return
        if due := self._alerts.due(self._loop.time()):
            self._ringing = guarded(self._loop, self._ring(due), name=NAME, broken=self._broken)

    def close(self) -> None:
        """Give up what is under way."""
        if self._ringing is not None:
            self._ringing.cancel()

    async def _ring(self, due: tuple[Alert, ...]) -> None:
        for alert in due:
            self._rung += 1
            command = (*self._command, alert.sentence)
            facts = msgspec.json.encode(alert.facts)
            trouble = await self._trouble(Birth(NAME, self._rung, Program(command=command), facts))
            if trouble is None:
                say("INFO", f"alert sent by {self._command[0]}: {alert.sentence}")
            else:
                say(
                    "ERROR", f"alert_command {self._command[0]} failed: {trouble}; not told: {alert.sentence}"
                )

    async def _trouble(self, birth: Birth) -> str | None:
        try:
            status = await self._run(birth, LIMIT_S)
        except TimeoutError:
            return f"it did not end within {LIMIT_S:g} s"
        except (StartFailed, OSError) as error:
            return str(error)
        return None if status.code == 0 else status.signal or f"it ended with code {status.code}"
