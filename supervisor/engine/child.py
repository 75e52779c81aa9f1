"""What every child has, process or supervisor: its place, what is wanted of it, its failures so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from supervisor.engine.commands import Reply
from supervisor.engine.context import Context
from supervisor.engine.events import ExitStatus, Reason, Timer, TimerKind
from supervisor.engine.lane import Lane
from supervisor.engine.phase import Phase

if TYPE_CHECKING:
    from supervisor.engine.group import SupervisorNode


class Record(Enum):
    """What the supervisor's list says of a child; changed only by the lane that owns the child."""

    STOPPED = "stopped"
    UP = "up"
    RESTARTING = "restarting"
    PARKED = "parked"
    HELD = "held"


class Outcome(Enum):
    """How a start ended. ``CUT``: someone decided otherwise meanwhile; it is neither up nor failed.

    ``IGNORED``: the child did not want to be started; it is down, and that is no failure.
    """

    UP = "up"
    FAILED = "failed"
    IGNORED = "ignored"
    CUT = "cut"


@dataclass(frozen=True)
class Ending:
    """How an incarnation ended. ``at`` is monotonic, ``uptime`` counts from the start of the process."""

    incarnation: int
    pid: int | None
    status: ExitStatus
    reason: Reason
    at: float
    uptime: float
    detail: str | None = None

    def facts(self) -> dict[str, object]:
        """What a report of it says."""
        return {
            "code": self.status.code,
            "signal": self.status.signal,
            "reason": self.reason,
            "uptime": round(self.uptime, 3),
            "detail": self.detail,
        }


class ChildNode:
    """The part of a child that its supervisor keeps. ``queue`` is the lane in which it is operated on.

    ``wanted`` is what the operator wishes; ``finished`` that a temporary child has had its one run; ``gone``
    that it was taken off the list for good, so that nothing may start it any more; ``failed_path`` the ids
    from here down to the one whose failed start made the last one here fail.
    """

    def __init__(self, ctx: Context, child_id: str, parent: SupervisorNode | None, queue: Lane) -> None:
        self.ctx = ctx
        self.id = child_id
        self.parent = parent
        self.queue = queue
        self.record = Record.STOPPED
        self.wanted = True
        self.finished = False
        self.leaving = False
        self.joiners: list[str] = []
        self.gone = False
        self.phase = Phase.DOWN
        self.death: Ending | None = None
        self.last_exit: Ending | None = None
        self.attempt = 0
        self.failures = 0
        self.restarts = 0
        self.probing = False
        self.failed_path: tuple[str, ...] = (child_id,)
        self.next_start_at: float | None = None
        self._timers: dict[TimerKind, Timer] = {}

    @property
    def path(self) -> str:
        """The ids from the root down, joined by slashes."""
        return self.id if self.parent is None else f"{self.parent.path}/{self.id}"

    def rebuild(self) -> None:
        """Become what it shall be, while it is down; a worker takes a change of its own at once."""

    def answer_joiners(self, *, ok: bool, detail: str) -> None:
        """Tell those whose wish to start it was overtaken by another one what became of that."""
        requests, self.joiners = self.joiners, []
        for request in requests:
            self.ctx.emit(Reply(request, self.id, ok, detail))

    def arm(self, kind: TimerKind, delay: float) -> None:
        """Set the alarm of this kind, in place of an earlier one."""
        self.disarm(kind)
        self._timers[kind] = self.ctx.arm(self.id, kind, delay)

    def disarm(self, *kinds: TimerKind) -> None:
        """Forget alarms, set or not."""
        for kind in kinds:
            self.ctx.disarm(self._timers.pop(kind, None))

    def disarm_all(self) -> None:
        """Forget every alarm."""
        self.disarm(*tuple(self._timers))

    def take_alarm(self, timer: Timer) -> bool:
        """Whether the alarm is one that is still set; it is not set any more afterwards."""
        if self._timers.get(timer.kind) != timer:
            return False
        del self._timers[timer.kind]
        return True

    def wait_before_start(self, kind: TimerKind, delay: float) -> None:
        """Be started in ``delay`` seconds."""
        self.next_start_at = self.ctx.now + delay
        self.arm(kind, delay)

    def forget_next_start(self) -> None:
        """No start is due any more."""
        self.next_start_at = None
        self.disarm("backoff", "probe")

    def forgive(self) -> None:
        """Earlier failures no longer count: it ran stably, or an operator looked at it."""
        self.attempt = self.failures = 0
        self.probing = False
        if self.record is Record.PARKED:
            self.record = Record.STOPPED

    def changed(self) -> None:
        """Have everyone who may wait for this child look again."""
        self.ctx.wake(self.queue)
        if self.parent is not None:
            self.ctx.wake(self.parent.lane)


def failure_of(child: ChildNode) -> str:
    """Why the last start came to nothing, as a sentence."""
    last = child.last_exit
    if last is None:
        return "did not start"
    how = last.status.signal or (f"code {last.status.code}" if last.status.code is not None else "no process")
    sentence = f"did not become ready: {last.reason} ({how})"
    return sentence if last.detail is None else f"{sentence}: {last.detail}"
