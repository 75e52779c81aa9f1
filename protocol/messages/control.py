"""The conversation between the root and one of its Python children.

The child's DEALER speaks to the root's ROUTER. A child is told to stop by SIGTERM, never by a message:
a signal also reaches a child that does not read its socket.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

Health = Literal["healthy", "degraded", "critical"]


class Launch(Struct, frozen=True, kw_only=True):
    """All that the root tells a Python worker at birth; passed as the only argument of its ``start``.

    ``runtime_dir`` holds the sockets; names become endpoints in :mod:`protocol.places`. Relative paths
    in ``config`` are relative to ``config_dir``. ``heartbeat`` is the interval of beats in seconds
    (0: none wanted), ``shutdown`` the seconds granted between SIGTERM and SIGKILL (None: unlimited).
    ``says_ready``: the root waits for :class:`Ready`; otherwise the child counts as ready once it exists.
    """

    child: str
    path: str
    incarnation: int
    runtime_dir: str
    state_dir: str
    config_dir: str
    heartbeat: float = 1.0
    shutdown: float | None = 5.0
    config: dict[str, Any] = field(default_factory=dict)
    says_ready: bool = True


class Ready(Struct, frozen=True, tag="ready"):
    """The child serves from now on: state restored, sockets bound."""

    pid: int


class Beat(Struct, frozen=True, tag="beat", kw_only=True):
    """A sign of progress, sent by the child's own work loop.

    ``counters`` are the worker's lifetime figures; ``last_data_ms`` is the time of its newest input.
    """

    loops: int = 0
    errors: int = 0
    last_error: str | None = None
    health: Health = "healthy"
    reasons: tuple[str, ...] = ()
    waiting_for: str | None = None
    last_data_ms: int | None = None
    counters: dict[str, int | str | None] = field(default_factory=dict)


class Done(Struct, frozen=True, tag="done"):
    """The child has finished all the work there will ever be; said again until acknowledged."""

    then: Literal["shutdown", "idle"] = "idle"
    code: int = 0


class DoneNoted(Struct, frozen=True, tag="done_noted"):
    """The root has heard :class:`Done`."""


FromChild = Ready | Beat | Done
ToChild = DoneNoted
