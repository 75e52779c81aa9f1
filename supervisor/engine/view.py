"""The tree as an operator sees it: one plain value for each child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from supervisor.engine.child import Ending, Record
from supervisor.engine.group import Node, SupervisorNode
from supervisor.engine.phase import Phase
from supervisor.engine.worker import WorkerNode

State = Literal["starting", "ready", "stopping", "stopped", "backoff", "parked", "held", "down"]


@dataclass(frozen=True, kw_only=True)
class ChildView:
    """One child now. Times are monotonic seconds; ``waiting_for`` names the sibling that must come first."""

    id: str
    path: str
    type: Literal["worker", "supervisor"]
    state: State
    wanted: bool
    pid: int | None
    incarnation: int | None
    since: float | None
    restarts: int
    restarts_in_window: int
    max_restarts: int
    period: float
    consecutive_failures: int
    next_start_at: float | None
    waiting_for: str | None
    last_exit: Ending | None


def view_tree(root: SupervisorNode, now: float, *, wanted: bool = True) -> tuple[ChildView, ...]:
    """All children beneath the root, parents before their children, in start order.

    What is beneath a supervisor that is not ``wanted`` is not wanted either.
    """
    views: list[ChildView] = []
    for child in root.children:
        view = _view(root, child, now, parent_wanted=wanted)
        views.append(view)
        if isinstance(child, SupervisorNode):
            views.extend(view_tree(child, now, wanted=view.wanted))
    return tuple(views)


def _view(parent: SupervisorNode, child: Node, now: float, *, parent_wanted: bool) -> ChildView:
    worker = child if isinstance(child, WorkerNode) else None
    window = worker.window if worker is not None and worker.window is not None else parent.window
    awaited = _awaited(parent, child)
    return ChildView(
        id=child.id,
        path=child.path,
        type="supervisor" if worker is None else "worker",
        state=_state(parent, child, waits=awaited is not None),
        wanted=parent_wanted and child.wanted and not child.finished and is_wanted_back(child),
        pid=None if worker is None else worker.pid,
        incarnation=None if worker is None else worker.incarnation,
        since=None if worker is None else worker.since,
        restarts=child.restarts,
        restarts_in_window=window.counted(now),
        max_restarts=window.intensity.max_restarts,
        period=window.intensity.period,
        consecutive_failures=child.failures,
        next_start_at=child.next_start_at,
        waiting_for=awaited,
        last_exit=child.last_exit,
    )


def _state(parent: SupervisorNode, child: Node, *, waits: bool) -> State:
    match child.phase:
        case Phase.STARTING:
            return "starting"
        case Phase.READY:
            return "ready"
        case Phase.STOPPING:
            return "stopping"
    match child.record:
        case Record.RESTARTING:
            return "backoff"
        case Record.PARKED:
            return "parked"
        case Record.HELD:
            return "held"
        case _:
            return _state_of_stopped(parent, child, waits=waits)


def _state_of_stopped(parent: SupervisorNode, child: Node, *, waits: bool) -> State:
    if not child.wanted:
        return "stopped"
    if child.finished or not is_wanted_back(child):
        return "down"
    if parent.closing:
        return "stopped"
    return "backoff" if waits else "starting"


def is_wanted_back(child: Node) -> bool:
    """Whether a child that is down is one that its restart type wants up."""
    if child.phase is not Phase.DOWN or child.record is not Record.STOPPED:
        return True
    ended = child.last_exit
    return child.spec.restart == "permanent" or ended is None or ended.reason != "normal"


def _awaited(parent: SupervisorNode, child: Node) -> str | None:
    if child.phase is not Phase.DOWN or child.record is not Record.STOPPED or parent.parallel:
        return None
    others = (other for other in parent.children if other is not child)
    return next((other.id for other in others if other.record in {Record.RESTARTING, Record.HELD}), None)


def is_owed_a_start(child: Node) -> bool:
    """Whether it is down, waits for nothing, and should run."""
    return child.phase is Phase.DOWN and child.record is Record.STOPPED and is_wanted_back(child)
