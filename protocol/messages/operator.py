"""The conversation between an operator's command and the root.

Every request carries an id of the client's making: asked again, the root gives the same answer and does
nothing twice.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field


class AskStatus(Struct, frozen=True, tag="ask_status"):
    """The whole tree as it is now; answered at once with :class:`StatusIs`."""

    request: str


class AskChange(Struct, frozen=True, tag="ask_change", kw_only=True):
    """Start, stop or restart children (``names`` are ids), or the whole tree (``everything``).

    Answered with :class:`Answer`: at once when ``wait`` is false, else when the last child named is
    ready (start, restart) or down (stop), or has failed to become so.
    """

    request: str
    verb: Literal["start", "stop", "restart"]
    names: tuple[str, ...] = ()
    everything: bool = False
    wait: bool = True


class AskReload(Struct, frozen=True, tag="ask_reload"):
    """Read the tree file again and become what it says; answered with :class:`Answer` when that has begun.

    A file with mistakes changes nothing; ``code`` 2 then, and the mistakes in ``message``.
    """

    request: str


OperatorRequest = AskStatus | AskChange | AskReload


class StatusIs(Struct, frozen=True, tag="status_is"):
    """``status`` is the object of ``supervisor status --json``."""

    request: str
    status: dict[str, Any]


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one child's request."""

    child: str
    ok: bool
    detail: str = ""
    code: int = 1
    """The exit status if it is not ``ok``."""


class Answer(Struct, frozen=True, tag="answer", kw_only=True):
    """How a request ended. ``code`` is the exit status for the command."""

    request: str
    ok: bool
    code: int = 0
    message: str = ""
    outcomes: tuple[Outcome, ...] = field(default_factory=tuple)


OperatorReply = StatusIs | Answer
