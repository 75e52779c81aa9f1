"""What the engine wants done. Commands are performed in order; performing one never asks the engine back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from supervisor.engine.events import Timer
from supervisor.engine.spec import WorkerSpec

CallError = Literal[
    "noproc", "terminated", "not_found", "running", "restarting", "already_started", "already_present",
    "start_failed", "bad_combination", "duplicate_child_name", "invalid_intensity", "invalid_period",
    "simple_one_for_one", "id_in_use",
]  # fmt: skip
FactName = Literal[
    "spawned", "ready", "exited", "restarting", "hung", "parked", "held", "escalated",
    "stop_asked", "restart_asked", "stopped", "warning", "reloaded",
]  # fmt: skip


@dataclass(frozen=True)
class Spawn:
    """Start a process; answer with ``Spawned`` or ``SpawnFailed``. ``path``: the ids from the root down."""

    child: str
    incarnation: int
    spec: WorkerSpec
    path: str = ""


@dataclass(frozen=True)
class SpawnSupervisor:
    """Conformance mode only: a supervisor is a process too, and its start may fail before its children's.

    Answer with ``Spawned``, ``SpawnFailed`` or ``StartIgnored`` about it.
    """

    supervisor: str
    incarnation: int


@dataclass(frozen=True)
class Signal:
    """Ask the child's process to stop: SIGTERM, then SIGCONT in case it is suspended."""

    child: str
    incarnation: int


@dataclass(frozen=True)
class DumpStacks:
    """Have the child write the stacks of its threads to its log."""

    child: str
    incarnation: int


@dataclass(frozen=True)
class Kill:
    """SIGKILL the child's whole process group."""

    child: str
    incarnation: int


@dataclass(frozen=True)
class Arm:
    """Answer with ``TimerFired(timer)`` when the monotonic clock reaches ``at`` (seconds)."""

    timer: Timer
    at: float


@dataclass(frozen=True)
class Disarm:
    """Forget the alarm; one that has gone off already is harmless."""

    timer: Timer


@dataclass(frozen=True)
class Report:
    """Something worth an event, a log line and a notice."""

    event: FactName
    child: str
    incarnation: int | None = None
    pid: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """A request came to its end."""

    request: str
    child: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class Counts:
    """The children of a supervisor: all in its list, those alive, and all of each type, running or not."""

    specs: int
    active: int
    supervisors: int
    workers: int


@dataclass(frozen=True)
class ListedChild:
    """One child as its supervisor's list has it."""

    id: str
    state: Literal["running", "stopped", "restarting"]
    type: Literal["worker", "supervisor"]


@dataclass(frozen=True)
class CallResult:
    """What became of a call; it has been carried out if ``error`` is None.

    ``noproc``: the supervisor is not running; ``terminated``: it ended before it answered; ``id_in_use``:
    another supervisor of the tree has a child of that id. With ``start_failed`` comes ``failed_path``, the
    ids from the child in question down to the one whose start failed. ``ignored``: the child did not want
    to be started. ``which`` begins with the child that was started last.
    """

    error: CallError | None = None
    failed_path: tuple[str, ...] = ()
    ignored: bool = False
    counts: Counts | None = None
    which: tuple[ListedChild, ...] | None = None


@dataclass(frozen=True)
class Answer:
    """A call of the supervisor API came to its end."""

    request: str
    result: CallResult


@dataclass(frozen=True)
class Exit:
    """The tree is down; the root process shall exit with ``code``."""

    code: int


Command = (
    Spawn | SpawnSupervisor | Signal | DumpStacks | Kill | Arm | Disarm | Report | Reply | Answer | Exit
)  # fmt: skip
