"""The sender: one channel's line of the outbox, as fast as the channel allows, again until it is taken."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Protocol

from loguru import logger

from workers.notifier.outbox import Letter, Outbox
from workers.notifier.outcome import Outcome, Refused
from workers.notifier.pace import Pace
from workers.notifier.wording import duration
from workers.shared.worker import Condition, Wake

LAST_WORDS_S: Final = 1.5
"""How long a stop may be used to send what is left."""
LATE_MS: Final = 60_000
"""A letter that goes out later than this after what it tells of says how late it is."""
HOPELESS_TRIES: Final = 3
"""How often a message that the other side calls unacceptable is tried before it is set aside."""
REMEMBERED: Final = 64
AGAIN: Final = "(perhaps a repeat: it was interrupted while it was sent)\n"


class Channel(Protocol):
    """Where messages can be sent."""

    async def send(self, text: str, *, silent: bool) -> Outcome:
        """Try once. Never raises for what the outside world may do."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


async def always() -> bool:
    """Say that messages may go out."""
    return True


class Delivery:
    """Runs beside the core, as a service of the process.

    ``goes_out`` tells, once that is known, whether messages of this run may leave at all.
    """

    def __init__(
        self,
        name: str,
        outbox: Outbox,
        channel: Channel,
        pace: Pace,
        *,
        goes_out: Callable[[], Awaitable[bool]] = always,
    ) -> None:
        self.name = name
        self._outbox, self._channel, self._pace, self._goes_out = outbox, channel, pace, goes_out
        self._posted = asyncio.Event()
        self._sent: deque[float] = deque(maxlen=REMEMBERED)
        self._failures = 0
        self._refusals: Counter[int] = Counter()
        self._trouble: str | None = None
        self._flight: asyncio.Task[float] | None = None

    def posted(self) -> None:
        """Learn that there are new messages in the outbox."""
        self._posted.set()

    def condition(self) -> Condition:
        """Return what keeps messages from going out, if anything does."""
        reasons = (f"not delivered to {self.name}: {self._trouble}",) if self._trouble else ()
        return Condition(reasons=reasons)

    async def __call__(self, _wake: Wake) -> None:
        """Send until cancelled, then use a moment for what is left."""
        self._recall()
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
        while self._outbox.next(self.name) is not None:
            if not await self._goes_out():
                await self._shelve()
                return
            await asyncio.sleep(self._pace.wait_s(self._sent, self._now()))
            # Only now: what is critical may have come meanwhile.
            letter = self._outbox.next(self.name)
            if letter is not None:
                # A stop must not tear what is on its way: nobody would know whether it arrived.
                self._flight = asyncio.create_task(self._try(letter))
                await asyncio.sleep(await asyncio.shield(self._flight))

    async def _shelve(self) -> None:
        """Let nothing of this run out, a bit at a time: there may be thousands."""
        more = True
        while more:
            more = await self._outbox.until_written(lambda: self._outbox.shelve(self.name, _now_ms()))
            await asyncio.sleep(0)

    async def _try(self, letter: Letter) -> float:
        """Send it once; returns how long to wait before the next attempt."""
        if not letter.tried:
            await self._outbox.until_written(
                lambda: self._outbox.mark_tried(self.name, letter.number, tried=True)
            )
        self._sent.append(self._now())
        outcome = await self._channel.send(page(letter, _now_ms()), silent=letter.silent)
        if not isinstance(outcome, Refused):
            await self._took(letter)
            return 0.0
        self._failed(outcome)
        if outcome.certain and not letter.tried:
            await self._outbox.until_written(
                lambda: self._outbox.mark_tried(self.name, letter.number, tried=False)
            )
        self._refusals[letter.number] += outcome.hopeless
        if self._refusals[letter.number] >= HOPELESS_TRIES:
            await self._set_aside(letter, outcome.why)
        return self._pace.pause_s(outcome, self._failures)

    async def _took(self, letter: Letter) -> None:
        if self._trouble is not None:
            logger.bind(channel=self.name, after=self._trouble).info("recovered")
        await self._done_with(letter)

    async def _done_with(self, letter: Letter) -> None:
        self._failures, self._trouble = 0, None
        self._refusals.pop(letter.number, None)
        await self._outbox.until_written(lambda: self._outbox.mark_sent(self.name, letter.number, _now_ms()))

    async def _set_aside(self, letter: Letter, why: str) -> None:
        """Let the others pass: a message that is never taken must not hold them up for ever."""
        logger.bind(channel=self.name, number=letter.number, text=letter.text, why=why).error(
            "notification set aside"
        )
        await self._done_with(letter)

    def _failed(self, outcome: Refused) -> None:
        self._failures += 1
        if self._trouble is None:  # what it is now is in health; a log line each would be a flood
            facts = {"channel": self.name, "why": outcome.why, "queued": self._outbox.queued()}
            logger.bind(**facts).warning("notification not delivered")
        self._trouble = outcome.why

    def _recall(self) -> None:
        """Keep to the pace over restarts too."""
        at_ms, now = _now_ms(), self._now()
        for sent_ms in self._outbox.recent(self.name, at_ms - round(self._pace.window_s * 1000)):
            self._sent.append(now - max(at_ms - sent_ms, 0) / 1000)

    async def _last_words(self) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                if self._flight is not None:
                    await self._flight
                if not self._failures:
                    await self._send_waiting()
        except TimeoutError:
            return  # they stay in the outbox

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def page(letter: Letter, at_ms: int) -> str:
    """Return what is sent at ``at_ms``: the message with its own time, which may be long ago."""
    at = datetime.fromtimestamp(letter.at_ms / 1000, tz=UTC)
    late = at_ms - letter.at_ms
    delay = f", sent {duration(late / 1000)} later" if late > LATE_MS else ""
    return f"{AGAIN if letter.tried else ''}{letter.text}\n{at:%Y-%m-%d %H:%M:%S} UTC{delay}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
