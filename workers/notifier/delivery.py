"""The sender: from the outbox to a channel, oldest first, no faster than the channel allows."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Protocol

from loguru import logger
from msgspec import Struct

from protocol.errors import StorageError
from workers.notifier.outbox import Letter, Outbox
from workers.notifier.telegram import Outcome, Refused
from workers.shared.worker import Condition, Wake

LAST_WORDS_S: Final = 1.5
"""How long a stop may be used to send what is left."""


class Channel(Protocol):
    """Where messages can be sent."""

    async def send(self, text: str) -> Outcome:
        """Try once. Never raises for what the outside world may do."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class Pace(Struct, frozen=True, kw_only=True):
    """How fast: ``between_s`` after a message, ``first_s`` doubling to ``last_s`` after failures.

    What the server asks for (Retry-After) is obeyed where it is longer.
    """

    between_s: float = 1.0
    first_s: float = 1.0
    last_s: float = 300.0

    def pause_s(self, outcome: Outcome, failures: int) -> float:
        """Return how long to wait; ``failures`` in a row, this one included."""
        if not isinstance(outcome, Refused):
            return self.between_s
        growing = min(self.first_s * 2.0 ** min(failures - 1, 30), self.last_s)
        return max(growing, outcome.wait_s or 0.0)


class Delivery:
    """Runs beside the core, as a service of the process."""

    def __init__(self, outbox: Outbox, channel: Channel, pace: Pace | None = None) -> None:
        self._outbox, self._channel, self._pace = outbox, channel, pace or Pace()
        self._posted = asyncio.Event()
        self._failures = 0
        self._trouble: str | None = None

    def posted(self) -> None:
        """Learn that there are new messages in the outbox."""
        self._posted.set()

    def condition(self) -> Condition:
        """Return what keeps messages from going out, if anything does."""
        return Condition(reasons=(f"not delivered: {self._trouble}",) if self._trouble else ())

    async def __call__(self, _wake: Wake) -> None:
        """Send until cancelled, then use a moment for what is left."""
        try:
            while True:
                await self._send_waiting()
                self._posted.clear()
                await self._posted.wait()
        except asyncio.CancelledError:
            await self._last_words()
            raise
        finally:
            await self._channel.close()

    async def _send_waiting(self) -> None:
        while (letter := self._outbox.oldest()) is not None:
            outcome = await self._channel.send(_page(letter))
            if isinstance(outcome, Refused):
                self._failed(outcome)
            else:
                await self._took(letter)
            await asyncio.sleep(self._pace.pause_s(outcome, self._failures))

    async def _took(self, letter: Letter) -> None:
        if self._trouble is not None:
            logger.bind(after=self._trouble).info("recovered")
        self._failures, self._trouble = 0, None
        while (fault := self._mark(letter)) is not None:
            logger.error("{}", fault)
            await asyncio.sleep(self._pace.first_s)

    def _mark(self, letter: Letter) -> StorageError | None:
        try:
            self._outbox.mark_sent(letter.number, time.time_ns() // 1_000_000)
        except StorageError as error:
            return error
        return None

    def _failed(self, outcome: Refused) -> None:
        self._failures += 1
        if outcome.why != self._trouble:
            logger.bind(why=outcome.why, queued=self._outbox.queued()).warning("notification not delivered")
        self._trouble = outcome.why

    async def _last_words(self) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                while self._failures == 0 and (letter := self._outbox.oldest()) is not None:
                    if isinstance(await self._channel.send(_page(letter)), Refused):
                        return
                    if self._mark(letter) is not None:
                        return
                    await asyncio.sleep(self._pace.between_s)
        except TimeoutError:
            return  # they stay in the outbox


def _page(letter: Letter) -> str:
    """The message with its own time: it may go out much later."""
    at = datetime.fromtimestamp(letter.at_ms / 1000, tz=UTC)
    return f"{letter.text}\n{at:%Y-%m-%d %H:%M:%S} UTC"
