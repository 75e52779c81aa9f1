"""A chat of Telegram as a channel: one message in, one outcome out."""

from __future__ import annotations

from typing import Final

from loguru import logger
from msgspec.structs import replace

from workers.notifier.bot import Answered, Bot
from workers.notifier.outcome import Outcome, Sent

LONGEST_TEXT: Final = 4096
"""In UTF-16 units, as Telegram counts."""
_CUT: Final = " ..."
_CHAT_TROUBLE: Final = (
    "chat not found",
    "bot was",
    "bot is not",
    "not enough rights",
    "have no rights",
    "deactivated",
)
"""What a 400 says that is about the chat, not about the message: the next one would fare no better."""


class Telegram:
    """A chat, through a bot."""

    def __init__(self, bot: Bot, chat_id: str) -> None:
        self._bot, self.chat_id = bot, chat_id

    async def send(self, text: str, *, silent: bool = False) -> Outcome:
        """Send a message as plain text, cut to what Telegram takes."""
        body = {
            "chat_id": self.chat_id,
            "text": fitted(text),
            "disable_web_page_preview": True,
            "disable_notification": silent,
        }
        reply = await self._bot.call("sendMessage", body)
        if isinstance(reply, Answered):
            return Sent()
        if reply.moved_to is not None:
            logger.bind(chat=reply.moved_to).warning(
                "the chat has moved; put its new id into the configuration"
            )
            self.chat_id = reply.moved_to
        if reply.hopeless and any(words in reply.why.lower() for words in _CHAT_TROUBLE):
            return replace(reply, hopeless=False)
        return reply

    async def close(self) -> None:
        """Close the connections."""
        await self._bot.close()


def fitted(text: str) -> str:
    """Return as much of ``text`` as Telegram takes, and never nothing; lone surrogates are replaced."""
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * LONGEST_TEXT:
        return units.decode("utf-16-le") or "(empty)"
    room = 2 * (LONGEST_TEXT - len(_CUT))
    return units[:room].decode("utf-16-le", "ignore") + _CUT
