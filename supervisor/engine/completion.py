"""A supervisor's children that are owed a start get it, and nobody gets one before the turn has come."""

from __future__ import annotations

from supervisor.engine.child import Record
from supervisor.engine.group import SupervisorNode
from supervisor.engine.lane import Operation
from supervisor.engine.phase import Phase
from supervisor.engine.view import is_owed_a_start


def complete(group: SupervisorNode) -> Operation[None]:
    """Start what is owed a start: added, or down though its restart type wants it up.

    In a group those that wait for a sibling in backoff, or held, go on waiting.
    """
    if group.parallel:
        for child in filter(is_owed_a_start, group.children):
            child.queue.post(group.start_all((child,)))
        return
    delayed = [child.record in {Record.RESTARTING, Record.HELD} for child in group.children]
    if group.spec.strategy == "one_for_all" and any(delayed):
        return  # they all start when its wait is over
    free = delayed.index(True) if any(delayed) else len(delayed)
    yield from group.start_all(tuple(filter(is_owed_a_start, group.children[:free])))


def start_missing(group: SupervisorNode) -> None:
    """Have everything beneath that shall run and does not started now."""
    if group.parallel:
        for child in group.children:
            child.queue.post(group.start_all((child,)))
    else:
        group.lane.post(group.start_all())
    for child in group.children:
        if isinstance(child, SupervisorNode) and child.phase is Phase.READY:
            start_missing(child)
