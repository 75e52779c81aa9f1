"""The description of one child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

Duration = str | float
"""``"500ms"``, ``"5s"``, ``"2m"``, ``"1h"``, ``"1d"``, or a number of seconds."""


class Backoff(TypedDict, total=False):
    """How long restart n waits: not at all at first if ``initial`` is 0, then ever longer up to ``max``."""

    initial: Duration
    factor: float
    max: Duration
    jitter: float
    stable_after: Duration


class Intensity(TypedDict):
    """At most ``max_restarts`` restarts within ``period``."""

    max_restarts: int
    period: Duration


class Heartbeat(TypedDict, total=False):
    """A beat every ``interval``; ``misses`` missing ones in a row mean hung."""

    interval: Duration
    misses: int


class Limits(TypedDict, total=False):
    """What the process may use: ``memory`` such as ``"300MiB"``, ``open_files``, and its ``nice`` value."""

    memory: str | int
    open_files: int
    nice: int


@dataclass(frozen=True)
class Child:
    """One process of a tree: a Python callable (``start``) or any program (``command``).

    The keys are those of ``[[child]]`` in a tree file; what is left out has the same default as there.
    Nothing is checked before the tree is used: then a ConfigError names everything that is wrong.

    ``start``
        ``"package.module:callable"``, or the callable itself if it can be imported by its name: a function
        or class at the top of a module, not a lambda. It is called in a process of its own with one
        argument, a :class:`protocol.messages.control.Launch`, and says through a
        :class:`protocol.child.Connection` that it is ready and alive. A callable that takes no argument
        needs ``ready="immediate"``. One from the script that is being run is imported in the child by the
        script's own name, so that only what is under ``if __name__ == "__main__":`` is not run again.
    ``command``
        The program and its arguments, without a shell.
    ``restart``
        ``"permanent"`` (always restarted), ``"transient"`` (only after a failure) or ``"temporary"`` (never).
    ``backoff``, ``intensity``, ``max_consecutive_failures``, ``on_exhausted``
        How long a restart waits; how many are too many; then the child is parked, or its supervisor gives
        up (``"escalate"``). ``max_consecutive_failures`` may be ``"infinity"``.
    ``shutdown``
        Seconds between SIGTERM and SIGKILL, ``"brutal_kill"`` or ``"infinity"``.
    ``ready``, ``ready_timeout``
        When the child counts as started: ``"message"`` (it says so), ``"immediate"``, for commands also
        ``"notify"`` (sd_notify) or a probe such as ``{"tcp": "127.0.0.1:8080"}``; and how long that may take.
    ``heartbeat``, ``liveness``
        How often a Python child must beat (``"none"``: never; the default with ``ready="immediate"``); where
        the beats of a command come from (``"notify"`` or a probe).
    ``config``
        What a Python callable finds in ``launch.config``: strings, numbers, lists, tables.
    ``no_restart_exit_codes``
        Exit codes that mean "a person must look": the child is parked at once. 78 by default.
    """

    id: str
    _: KW_ONLY
    start: str | Callable[..., object] | None = None
    command: Sequence[str] | None = None
    config: Mapping[str, Any] | None = None
    restart: Literal["permanent", "transient", "temporary"] | None = None
    significant: bool | None = None
    backoff: Backoff | None = None
    intensity: Intensity | None = None
    max_consecutive_failures: int | Literal["infinity"] | None = None
    on_exhausted: Literal["park", "escalate"] | None = None
    shutdown: Duration | Literal["brutal_kill", "infinity"] | None = None
    ready: str | Mapping[str, Any] | None = None
    ready_timeout: Duration | Literal["infinity"] | None = None
    heartbeat: Heartbeat | Literal["none"] | None = None
    liveness: str | Mapping[str, Any] | None = None
    limits: Limits | None = None
    max_runtime: Duration | None = None
    no_restart_exit_codes: Sequence[int] | None = None
    directory: str | Path | None = None
    environment: Mapping[str, str] | None = None
    user: str | None = None
