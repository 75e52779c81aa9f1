"""What the tree shall be: specifications of workers and supervisors, as plain values.

Durations are seconds. ``None`` means "no limit" where a limit is expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Restart = Literal["permanent", "transient", "temporary"]
Strategy = Literal["one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
Shutdown = float | Literal["brutal_kill", "infinity"]
RootExhausted = Literal["hold", "exit"]
ChildExhausted = Literal["park", "escalate"]

EX_CONFIG = 78
"""Exit code by which a child says: a person must look (sysexits.h)."""


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Delay before restart attempt n: ``min(max, initial * factor**(n-1))``, spread by ``jitter``.

    With ``initial`` 0 the first attempt is immediate and attempt n waits ``1 s * factor**(n-2)``.
    n starts again after ``stable_after`` seconds of *ready*.
    """

    initial: float = 0.0
    factor: float = 2.0
    max: float = 60.0
    jitter: float = 0.1
    stable_after: float = 60.0


@dataclass(frozen=True, kw_only=True)
class Intensity:
    """At most ``max_restarts`` restarts within ``period`` seconds."""

    max_restarts: int
    period: float


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """Beats every ``interval`` seconds are expected; ``misses`` missing ones in a row mean hung."""

    interval: float = 1.0
    misses: int = 5


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the operating system shall grant a child; ``memory`` in bytes is watched, not enforced."""

    memory: int | None = None
    open_files: int | None = None
    nice: int | None = None


@dataclass(frozen=True)
class TcpProbe:
    """A program serves when a connection to ``host`` and ``port`` can be made."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp [{self.host}]:{self.port}" if ":" in self.host else f"tcp {self.host}:{self.port}"


@dataclass(frozen=True)
class HttpProbe:
    """A program serves when a GET of ``url`` is answered with a status from 200 to 399."""

    url: str

    def __str__(self) -> str:
        return f"GET {self.url}"


@dataclass(frozen=True)
class ExecProbe:
    """A program serves when ``command``, run as the program is, ends with 0."""

    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"exec {' '.join(self.command)}"


Probe = TcpProbe | HttpProbe | ExecProbe
"""A question put to a foreign program from outside."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run: a Python callable (``start``) or a ``command``. Opaque to the engine.

    ``readiness`` is the probe of ``ready = "probe"``. ``liveness``, for commands only, is where their beats
    come from: WATCHDOG=1 of systemd's notify protocol, or a probe that succeeds.
    """

    start: str | None = None
    command: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    user: str | None = None
    limits: Limits = field(default_factory=Limits)
    readiness: Probe | None = None
    liveness: Literal["notify"] | Probe | None = None


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """One process of the tree. ``heartbeat`` None: never judged hung. ``max_runtime`` 0: no limit.

    To the engine ``ready`` is either immediate or something that it is told.
    """

    id: str
    program: Program = field(default_factory=Program)
    restart: Restart = "permanent"
    significant: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    intensity: Intensity | None = None
    max_consecutive_failures: int | None = 10
    on_exhausted: ChildExhausted = "park"
    shutdown: Shutdown = 5.0
    ready: Literal["message", "immediate", "notify", "probe"] = "message"
    ready_timeout: float | None = 30.0
    heartbeat: Heartbeat | None = None
    max_runtime: float = 0.0
    no_restart_exit_codes: tuple[int, ...] = (EX_CONFIG,)


@dataclass(frozen=True, kw_only=True)
class SupervisorSpec:
    """A supervisor and its children, in start order. ``restart`` and ``significant`` matter to its parent.

    ``on_exhausted`` and ``probe`` (seconds between tries of a held child) are used at the root only.
    A ``simple_one_for_one`` supervisor has a ``template`` in place of children; the id in it is not used.
    """

    id: str
    children: tuple[WorkerSpec | SupervisorSpec, ...] = ()
    strategy: Strategy = "one_for_one"
    intensity: Intensity = field(default_factory=lambda: Intensity(max_restarts=20, period=600.0))
    auto_shutdown: AutoShutdown = "never"
    restart: Restart = "permanent"
    significant: bool = False
    on_exhausted: RootExhausted = "hold"
    probe: float = 300.0
    template: WorkerSpec | None = None


ChildSpec = WorkerSpec | SupervisorSpec
