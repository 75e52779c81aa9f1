"""What an operator may ask of one child of a product tree. The last intent wins.

The wish is noted at once, so that nothing under way can contradict it; the work queues up in the lane.
"""

from __future__ import annotations

from supervisor.engine.child import Outcome, Record, failure_of
from supervisor.engine.commands import FactName, Reply, Report
from supervisor.engine.completion import complete, start_missing
from supervisor.engine.context import Context
from supervisor.engine.group import Node, SupervisorNode
from supervisor.engine.lane import Operation
from supervisor.engine.phase import Phase
from supervisor.engine.worker import WorkerNode

_SUPERSEDED = "another command came after this one"
_STOPPING = "its supervisor is stopping or down, or it was deleted meanwhile"


class Operator:
    """Carries out start, stop and restart of one child."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def stop(self, child: Node, request: str | None) -> None:
        """Have the child down until told otherwise."""
        child.wanted = False
        child.forget_next_start()
        self._cut(child)
        self._report("stop_asked", child)
        self._post(child, self._stopped(child, request), request)

    def start(self, child: Node, request: str | None) -> None:
        """Have the child up; its failures so far are forgiven."""
        self._want(child)
        self._post(child, self._started(child, request), request)

    def restart(self, child: Node, request: str | None) -> None:
        """Have a new incarnation of the child; its failures so far are forgiven."""
        self._want(child)
        self._cut(child)
        self._report("restart_asked", child)
        self._post(child, self._restarted(child, request), request)

    def _cut(self, child: Node) -> None:
        # Nobody waits for a start that is not wanted any more. A second wish to start can wait for it.
        if child.phase is Phase.STARTING:
            child.cut()

    def _want(self, child: Node) -> None:
        child.wanted = True
        child.finished = False
        child.forgive()

    def _post(self, child: Node, operation: Operation[None], request: str | None) -> None:
        child.queue.post(operation, dropped=lambda: self._reply(request, child, ok=False, detail=_STOPPING))

    def _stopped(self, child: Node, request: str | None) -> Operation[None]:
        yield from child.stop("stopped")
        child.forget_next_start()
        child.record = Record.STOPPED
        self._report("stopped", child)
        child.answer_joiners(ok=False, detail=_SUPERSEDED)
        self._reply(request, child, ok=True, detail="stopped")
        parent = child.parent
        if parent is not None and not parent.parallel:  # the others may have waited for it
            parent.lane.post(complete(parent), first=True)

    def _restarted(self, child: Node, request: str | None) -> Operation[None]:
        yield from child.stop("restarted")
        child.record = Record.STOPPED
        yield from self._started(child, request)

    def _started(self, child: Node, request: str | None) -> Operation[None]:
        if child.phase is not Phase.READY:
            yield from child.stop("restarted")  # a start that was cut may have left a process behind
        parent = child.parent
        if parent is None or parent.closing or parent.phase is Phase.DOWN or child.gone:
            self._reply(request, child, ok=False, detail=_STOPPING)
        elif not child.wanted:
            self._reply(request, child, ok=False, detail=_SUPERSEDED)
        elif child.phase is Phase.READY:
            if isinstance(child, SupervisorNode):
                start_missing(child)
            self._reply(request, child, ok=True, detail="is running")
        else:
            yield from self._start_down(child, parent, request)

    def _start_down(self, child: Node, parent: SupervisorNode, request: str | None) -> Operation[None]:
        outcome = yield from parent.start_child(child)
        match outcome:
            case Outcome.UP:
                self._reply(request, child, ok=True, detail="ready")
                if not parent.parallel:
                    parent.lane.post(parent.start_all(), first=True)
            case Outcome.IGNORED:
                self._reply(request, child, ok=True, detail="it does not want to run now")
            case Outcome.CUT:
                self._was_cut(child, parent, request)
            case Outcome.FAILED:
                self._reply(request, child, ok=False, detail=failure_of(child))
                parent.recovery.start_failed(child)

    def _was_cut(self, child: Node, parent: SupervisorNode, request: str | None) -> None:
        if parent.closing:
            self._reply(request, child, ok=False, detail=_STOPPING)
        elif not child.wanted:
            self._reply(request, child, ok=False, detail=_SUPERSEDED)
        elif request is not None:  # another wish to start came: what becomes of it answers this one too
            child.joiners.append(request)

    def _report(self, event: FactName, child: Node) -> None:
        if isinstance(child, WorkerNode):
            self._ctx.emit(Report(event, child.id, child.incarnation, child.pid))
        else:
            self._ctx.emit(Report(event, child.id))

    def _reply(self, request: str | None, child: Node, *, ok: bool, detail: str) -> None:
        if request is not None:
            self._ctx.emit(Reply(request, child.id, ok, detail))
