"""Counting restarts: which window a restart goes into, and whether it was one too many."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from supervisor.engine.commands import Report
from supervisor.engine.worker import WorkerNode

if TYPE_CHECKING:
    from supervisor.engine.group import Node, SupervisorNode

_ONE_LOSS_S = 1.0
"""Children that died with one forkserver are reported within this time of each other."""


class Verdict(Enum):
    """What follows from one more failure."""

    RESTART = "restart"
    PARK = "park"
    GIVE_UP = "give up"


class Allowance:
    """The intensity of one supervisor, and of those children that have their own."""

    def __init__(self, supervisor: SupervisorNode) -> None:
        self._supervisor = supervisor
        self._forkserver_lost_at: float | None = None

    def count(self, child: Node) -> Verdict:
        """Count the restart that ``child`` needs now."""
        if self._supervisor.ctx.otp or not isinstance(child, WorkerNode):
            return self._count_against_supervisor(child)
        if child.last_exit is not None and child.last_exit.reason == "forkserver":
            return self._count_forkserver_loss(child)
        child.failures += 1
        child.attempt += 1
        limit = child.spec.max_consecutive_failures
        if limit is not None and child.failures > limit:
            return self._child_exceeded(child)
        if child.window is None:
            return self._count_against_supervisor(child)
        child.window = child.window.after_restart(child.ctx.now)
        if child.window.exceeded:
            return self._child_exceeded(child)
        if child.window.nearly_exceeded:
            _warn(child, len(child.window.times), child.window.intensity.max_restarts)
        return Verdict.RESTART

    def _child_exceeded(self, child: WorkerNode) -> Verdict:
        if child.spec.on_exhausted == "park":
            return Verdict.PARK
        self._count_against_supervisor(child)
        return Verdict.GIVE_UP

    def _count_against_supervisor(self, child: Node) -> Verdict:
        supervisor = self._supervisor
        supervisor.window = supervisor.window.after_restart(supervisor.ctx.now)
        if supervisor.window.exceeded:
            return Verdict.GIVE_UP
        if supervisor.window.nearly_exceeded and not supervisor.ctx.otp:
            _warn(child, len(supervisor.window.times), supervisor.window.intensity.max_restarts)
        return Verdict.RESTART

    def _count_forkserver_loss(self, child: Node) -> Verdict:
        # The children did nothing wrong and died of one cause: one failure, against the supervisor.
        now, lost_at = child.ctx.now, self._forkserver_lost_at
        if lost_at is not None and now - lost_at <= _ONE_LOSS_S:
            return Verdict.RESTART
        self._forkserver_lost_at = now
        return self._count_against_supervisor(child)


def _warn(child: Node, restarts: int, allowed: int) -> None:
    facts = {"what": "restarts nearly exhausted", "restarts": restarts, "max_restarts": allowed}
    child.ctx.emit(Report("warning", child.id, facts=facts))
