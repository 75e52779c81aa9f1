"""From credentials to channels and the services that send to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from workers.notifier.bot import Bot
from workers.notifier.delivery import Delivery
from workers.notifier.outbox import Outbox
from workers.notifier.pace import Pace, pace_of_chat
from workers.notifier.problems import TELEGRAM, Credentials
from workers.notifier.services import Service, name_of
from workers.notifier.telegram import Telegram
from workers.shared.worker import Condition


def names(credentials: Credentials) -> tuple[str, ...]:
    """Return the channels that messages are kept for, whether or not they can be reached just now."""
    telegram = (TELEGRAM,) if credentials.telegram else ()
    return (*telegram, *dict.fromkeys(name_of(url) for url in credentials.urls))


def chats(chat_id: str, allowed: tuple[int, ...]) -> dict[str, str]:
    """Return the chats that may give commands, each with the line of the outbox for what it is answered."""
    return {chat_id: TELEGRAM, **{str(one): f"chat {one}" for one in allowed if str(one) != chat_id}}


@dataclass(frozen=True)
class Senders:
    """All channels of a notifier. ``problems`` are those of the credentials."""

    deliveries: tuple[Delivery, ...] = ()
    problems: tuple[str, ...] = ()

    def posted(self) -> None:
        """Tell all of them that there is something new in the outbox."""
        for delivery in self.deliveries:
            delivery.posted()

    def condition(self) -> Condition:
        """Return what keeps messages from going out, if anything does."""
        reasons = [reason for delivery in self.deliveries for reason in delivery.condition().reasons]
        return Condition(reasons=(*self.problems, *reasons))


def senders(
    credentials: Credentials,
    bot: Bot | None,
    outbox: Outbox,
    *,
    allowed: tuple[int, ...] = (),
    goes_out: Callable[[], Awaitable[bool]],
) -> Senders:
    """Make a sender for each channel that can work; nothing is connected yet."""
    made = []
    if bot is not None and credentials.chat_id is not None:
        for chat_id, name in chats(credentials.chat_id, allowed).items():
            chat = Telegram(bot, chat_id)
            made.append(Delivery(name, outbox, chat, pace_of_chat(chat_id), goes_out=goes_out))
    for name, url in {name_of(url): url for url in credentials.urls}.items():
        made.append(Delivery(name, outbox, Service(url), Pace(), goes_out=goes_out))
    return Senders(tuple(made), credentials.problems)
