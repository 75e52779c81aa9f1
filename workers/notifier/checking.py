"""What `supervisor check` says of the notifier: its section, its credentials, and whether Telegram answers.

A start goes on in spite of all of it but a section that is wrong: trading must not wait for a telephone.
"""

from __future__ import annotations

import asyncio
from typing import Final

from protocol.errors import SecretUnreadable
from protocol.places import secret
from workers.notifier.bot import Bot, Failed
from workers.notifier.config import NotifierConfig, refuse_unfit
from workers.notifier.problems import credentials
from workers.shared.exits import PersonMustLook
from workers.shared.preflight import Place

PATIENCE_S: Final = 5.0


class NobodyIsTold(PersonMustLook):
    """Messages would not go out; each problem is a sentence."""

    def __init__(self, child: str, problems: tuple[str, ...]) -> None:
        super().__init__(child, problems)
        self.child, self.problems = child, problems

    def __str__(self) -> str:
        return "\n".join(f"{self.child}: {problem}" for problem in self.problems)


def startable(config: NotifierConfig, place: Place) -> None:
    """Raise for what keeps the notifier from starting, or its messages from going out."""
    refuse_unfit(config, place.child)
    if config.deliver == "log":
        return
    try:
        found = credentials(config, secret)
    except SecretUnreadable as error:
        raise NobodyIsTold(place.child, (str(error),)) from error
    problems = found.problems
    if found.token is not None and found.chat_id is not None:
        problems += asyncio.run(_unreachable(Bot(found.token, config.telegram.base_url), found.chat_id))
    if problems:
        raise NobodyIsTold(place.child, problems)


async def _unreachable(bot: Bot, chat_id: str) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            me = await bot.call("getMe", {})
            if isinstance(me, Failed):
                return (f"Telegram does not know this bot or cannot be reached: {me.why}",)
            chat = await bot.call("getChat", {"chat_id": chat_id})
            if isinstance(chat, Failed):
                return (f"the bot cannot write to chat {chat_id}: {chat.why}",)
    except TimeoutError:
        return (f"Telegram did not answer within {PATIENCE_S:g} s",)
    finally:
        await bot.close()
    return ()
