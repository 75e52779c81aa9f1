"""What the core wants done outside, and what it hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workers.feed.exchanges.port import Request


@dataclass(frozen=True)
class Connect:
    """Open the connection ``line`` to ``url``; tell ``opened`` or ``lost``."""

    line: str
    url: str


@dataclass(frozen=True)
class Disconnect:
    """Close the connection; nothing of it is to be told any more."""

    line: str


@dataclass(frozen=True)
class Say:
    """Send a text frame."""

    line: str
    text: str


@dataclass(frozen=True)
class Ping:
    """Send a ping of the WebSocket protocol; tell ``ponged``."""

    line: str


Purpose = Literal["candles", "clock", "fundings"]


@dataclass(frozen=True)
class Ask:
    """Ask by REST; tell ``answered`` with the same number."""

    number: int
    purpose: Purpose
    request: Request


Command = Connect | Disconnect | Say | Ping | Ask


@dataclass(frozen=True)
class Answer:
    """What came of an :class:`Ask`. ``status`` None: no answer, ``why`` says what happened instead.

    ``sent_ms`` and ``received_ms`` are our clock's.
    """

    number: int
    sent_ms: int
    received_ms: int
    status: int | None = None
    body: bytes = b""
    retry_after_s: float | None = None
    why: str = ""


@dataclass(frozen=True)
class AtWork:
    """How much is being done for the core: connections, made or in the making, and tasks of the process."""

    sessions: int = 0
    tasks: int = 0
