"""Hears commands by long polling, which survives whatever the network and the server do."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from loguru import logger
from msgspec import Struct, field

from workers.notifier.bot import Bot, Failed
from workers.notifier.commands import Asked, Dialogue, NotMeant, Say, Stranger, TooFast, Wish
from workers.notifier.message import Message
from workers.notifier.outbox import ANSWER, Outbox
from workers.notifier.pace import Pace
from workers.shared.worker import Condition, Wake

POLL_S: Final = 50
MOST_UPDATES: Final = 20
PACE: Final = Pace(last_s=60.0)
SOON_S: Final = 1.0
REPEATED: Final = 1000
"""An update numbered so little below the next one is one of the last ones again. Far below, the numbers have
begun anew: they do so anywhere after a week without any, and each bot has its own."""
NOTHING_NEW: Final = Failed("the server gives what was heard already, or cannot be read, again and again")
OFFSET, UNDER_WAY, STRANGERS = "offset", "under_way", "strangers"
INTERRUPTED: Final = (
    "A command was interrupted when the notifier was restarted; /status tells whether it was done"
)

Perform = Callable[[Wish], str]


class _Chat(Struct, frozen=True):
    id: int


class _Text(Struct, frozen=True):
    chat: _Chat
    date: int = 0
    text: str = ""


class _Update(Struct, frozen=True):
    update_id: int
    message: _Text | None = None


class _Numbered(Struct, frozen=True):
    update_id: int
    rest: dict[str, Any] = field(default_factory=dict)


class Listening:
    """Runs beside the core, as a service of the process. ``channels`` are the lines of the outbox by chat.

    A command is noted as heard before it is done: killed in between, it is not done twice, and the chat is
    told that it was interrupted.
    """

    def __init__(
        self,
        bot: Bot,
        outbox: Outbox,
        channels: dict[str, str],
        perform: Perform,
        *,
        posted: Callable[[], None],
        goes_out: Callable[[], Awaitable[bool]],
        pace: Pace = PACE,
    ) -> None:
        self._bot, self._outbox, self._channels = bot, outbox, channels
        self._perform, self._posted, self._goes_out, self._pace = perform, posted, goes_out, pace
        self._dialogue = Dialogue(channels)
        self._failures = self._in_vain = 0
        self._trouble: str | None = None

    def condition(self) -> Condition:
        """Return what keeps commands from being heard, if anything does."""
        return Condition(reasons=(f"commands are not heard: {self._trouble}",) if self._trouble else ())

    async def __call__(self, _wake: Wake) -> None:
        """Listen until cancelled; not at all in a replay."""
        if not await self._goes_out():
            return
        await self._own_up()
        try:
            await self._listen()
        finally:
            await self._bot.close()

    async def _listen(self) -> None:
        await self._learn_name()
        offset = self._outbox.noted(OFFSET) or 0
        while True:
            asked = {
                "offset": offset,
                "timeout": POLL_S,
                "limit": MOST_UPDATES,
                "allowed_updates": ["message"],
            }
            began = self._now()
            reply = await self._bot.call("getUpdates", asked, within_s=POLL_S)
            if isinstance(reply, Failed):
                await self._failed(reply)
                continue
            last, offset = offset, await self._take(reply.result, offset)
            if reply.result and offset == last:
                await self._failed(NOTHING_NEW)
                continue
            self._heard()
            await self._rest(began, empty=not reply.result)

    async def _learn_name(self) -> None:
        """Ask who this bot is: in a group others are spoken to as well."""
        while isinstance(reply := await self._bot.call("getMe", {}), Failed):
            await self._failed(reply)
        self._dialogue.name = _username(reply.result)

    async def _take(self, result: Any, offset: int) -> int:
        """React to each update that is new; returns the number of the next one."""
        for update in result if isinstance(result, list) else []:
            number = _number(update)
            if number is None or offset - REPEATED <= number < offset:
                continue
            offset = number + 1
            await self._outbox.until_written(lambda n=offset: self._outbox.note(OFFSET, n))  # type: ignore[misc]
            found = _text(update)
            if found is not None:
                await self._react(found, number)
        return offset

    async def _rest(self, began: float, *, empty: bool) -> None:
        """Ask ever less often where a server has nothing to say and does not wait, as it was asked to."""
        at_once = empty and self._now() - began < SOON_S
        self._in_vain = self._in_vain + 1 if at_once else 0
        await asyncio.sleep(self._pace.first_s * min(self._in_vain / 100, 1.0))

    async def _react(self, asked: Asked, number: int) -> None:
        code = f"{secrets.randbelow(9000) + 1000}"
        reaction = self._dialogue.take(asked, self._now(), code)
        match reaction:
            case NotMeant():
                return
            case Stranger():
                logger.bind(chat=asked.chat).warning("a stranger wrote to the bot")
                await self._outbox.until_written(lambda: self._outbox.count(STRANGERS))
            case TooFast():
                logger.bind(chat=asked.chat).warning("commands come too fast")
            case Say():
                await self._say(reaction.chat, reaction.text)
            case Wish():
                await self._outbox.until_written(lambda: self._outbox.note(UNDER_WAY, number))
                logger.bind(chat=asked.chat, command=str(reaction)).info("command")
                answer = await asyncio.to_thread(self._perform, reaction)
                await self._say(reaction.chat, answer, (UNDER_WAY, 0))

    async def _own_up(self) -> None:
        if self._outbox.noted(UNDER_WAY):
            await self._say(next(iter(self._channels)), INTERRUPTED, (UNDER_WAY, 0))

    async def _say(self, chat: str, text: str, *notes: tuple[str, int]) -> None:
        message = Message(kind=ANSWER, at_ms=time.time_ns() // 1_000_000, text=text)
        await self._outbox.until_written(lambda: self._outbox.put(message, self._channels[chat], *notes))
        self._posted()

    def _heard(self) -> None:
        if self._trouble is not None:
            logger.bind(after=self._trouble).info("recovered")
        self._failures, self._trouble = 0, None

    async def _failed(self, reply: Failed) -> None:
        self._failures += 1
        if self._trouble is None:
            logger.bind(why=reply.why).warning("commands are not heard")
        self._trouble = reply.why
        await asyncio.sleep(self._pace.pause_s(reply, self._failures))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _number(update: Any) -> int | None:
    try:
        return msgspec.convert(update, _Numbered).update_id
    except msgspec.ValidationError:
        return None


def _username(me: Any) -> str | None:
    name = me.get("username") if isinstance(me, dict) else None
    return name if isinstance(name, str) else None


def _text(update: Any) -> Asked | None:
    try:
        message = msgspec.convert(update, _Update).message
    except msgspec.ValidationError:
        return None
    if message is None or not message.text:
        return None
    return Asked(str(message.chat.id), message.text, max(time.time() - message.date, 0.0))
