"""Commands from a chat: what was written becomes a wish, a question back, or an answer. Pure.

Who may speak is decided here too: strangers get no answer, and nobody can ask faster than is allowed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct

MOST_A_MINUTE: Final = 20
CONFIRM_S: Final = 60.0
TOO_LATE_S: Final = 600.0
"""A command that was written longer ago than this is not done: who wrote it may have given up."""
_COMMAND: Final = re.compile(r"/([A-Za-z_]{1,32})(?:@(\w{1,64}))?(?:\s+(.*))?", re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

HELP: Final[Mapping[str, str]] = {
    "status": "the tree and its children",
    "positions": "what is held",
    "profit": "what all trades have made",
    "daily": "the summary of the day so far",
    "signals": "the last signals",
    "logs": "NAME: the last lines of a log",
    "why": "NAME: why a child is down or was restarted",
    "pause": "no new entries; exits go on",
    "resume": "take back pauses and breakers",
    "restart": "NAME ...: restart children (all: every one)",
    "start": "NAME ...: start children",
    "stop": "NAME ...: stop children (all: the whole tree)",
    "killswitch": "cancel all orders, close all positions, halt (off: allow a resume)",
    "help": "this list",
}
_NAMED: Final = frozenset({"restart", "start", "stop", "logs", "why"})
ALL: Final = "all"


class Asked(Struct, frozen=True):
    """A text that somebody wrote into a chat, ``age_s`` ago."""

    chat: str
    text: str
    age_s: float = 0.0


class Wish(Struct, frozen=True):
    """Something to be done for a chat."""

    chat: str
    command: str
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(("/" + self.command, *self.names))


class Say(Struct, frozen=True):
    """Something to be answered at once."""

    chat: str
    text: str


class Stranger(Struct, frozen=True):
    """Somebody who may not speak; no answer."""

    chat: str


class TooFast(Struct, frozen=True):
    """Somebody who writes faster than is allowed; no answer."""

    chat: str


class NotMeant(Struct, frozen=True):
    """What people in a group say to one another, or to another bot; no answer."""

    chat: str


Reaction = Wish | Say | Stranger | TooFast | NotMeant


class Dialogue:
    """All chats that may give commands, and what was asked back in them. ``name``: how a group calls us."""

    def __init__(self, allowed: Collection[str], name: str | None = None) -> None:
        self._allowed, self.name = frozenset(allowed), name
        self._open: dict[str, tuple[str, Wish, float]] = {}
        self._heard: dict[str, deque[float]] = {}

    def take(self, asked: Asked, now: float, code: str) -> Reaction:
        """React to a text. ``code`` is what confirms a dangerous wish, if this is one; new each time."""
        if asked.chat not in self._allowed:
            return Stranger(asked.chat)
        match = _COMMAND.fullmatch(asked.text.strip())
        if self._to_others(asked.chat, match):
            return NotMeant(asked.chat)
        if not self._in_time(asked.chat, now):
            return TooFast(asked.chat)
        if match is None:
            return Say(asked.chat, "Commands begin with a slash; /help lists them")
        command, words = match[1].lower(), tuple((match[3] or "").split())
        if asked.age_s > TOO_LATE_S:
            return Say(
                asked.chat, f"/{command} came too late, it is not done; send it again if it is still wanted"
            )
        return self._understood(asked.chat, command, words, now, code)

    def _understood(self, chat: str, command: str, words: tuple[str, ...], now: float, code: str) -> Reaction:
        if command not in HELP:
            return Say(chat, f"There is no command /{command}; /help lists them")
        if command == "help" or (command == "start" and not words):
            return Say(chat, "\n".join(f"/{name} {what}" for name, what in HELP.items()))
        if len(words) == 1 and (confirmed := self._confirmed(chat, command, words[0], now)) is not None:
            return confirmed
        if any(not _NAME.fullmatch(word) for word in words):
            return Say(chat, f"/{command}: that is no name of a child")
        if command in _NAMED and not words:
            return Say(chat, f"/{command} needs a name: /{command} {HELP[command]}")
        wish = Wish(chat, command, words)
        if _dangerous(wish):
            self._open[chat] = (code, wish, now + CONFIRM_S)
            return Say(chat, f"{wish}: sure? Then send /{command} {code} within {CONFIRM_S:.0f} seconds")
        return wish

    def _confirmed(self, chat: str, command: str, word: str, now: float) -> Wish | None:
        code, wish, until = self._open.get(chat, ("", Wish(chat, ""), 0.0))
        if command != wish.command or word != code or now > until:
            return None
        del self._open[chat]
        return wish

    def _to_others(self, chat: str, match: re.Match[str] | None) -> bool:
        if match is None:
            return chat.startswith("-")  # a group, where people talk to one another
        return match[2] is not None and match[2].lower() != (self.name or "").lower()

    def _in_time(self, chat: str, now: float) -> bool:
        heard = self._heard.setdefault(chat, deque(maxlen=MOST_A_MINUTE))
        if len(heard) == MOST_A_MINUTE and now - heard[0] < 60.0:
            return False
        heard.append(now)
        return True


def _dangerous(wish: Wish) -> bool:
    if wish.command == "killswitch":
        return wish.names != ("off",)
    return wish.command in {"stop", "restart"} and ALL in wish.names
