"""The engine: events and time in, commands out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from supervisor.engine import events
from supervisor.engine.calls import Calls
from supervisor.engine.child import Outcome, Record
from supervisor.engine.commands import Command, Exit, Reply
from supervisor.engine.context import Context
from supervisor.engine.group import SupervisorNode
from supervisor.engine.lane import Operation
from supervisor.engine.operator import Operator
from supervisor.engine.phase import Phase
from supervisor.engine.reload import Reload
from supervisor.engine.spec import SupervisorSpec, WorkerSpec
from supervisor.engine.view import ChildView, view_tree
from supervisor.engine.worker import WorkerNode


class Engine:
    """A supervisor tree as a pure value.

    ``uniform`` yields numbers in [0, 1) for the jitter. ``otp`` turns every extension off and behaves to
    the letter of Erlang's supervisor. Ids must be unique in the tree.
    """

    def __init__(self, spec: SupervisorSpec, *, uniform: Callable[[], float], otp: bool = False) -> None:
        self._ctx = Context(uniform, otp=otp)
        self._root = SupervisorNode(self._ctx, spec, None)
        self._told_to_end = False
        self._operator = Operator(self._ctx)
        self._calls = Calls(self._ctx)
        self._reload = Reload(self._ctx, self._root)

    def handle(self, event: events.Event, now: float) -> tuple[Command, ...]:
        """Take one event at monotonic time ``now`` (seconds); return what shall be done, in order.

        Events about an incarnation that is gone, and alarms that are out of date, change nothing.
        """
        return self.handle_all((event,), now)

    def handle_all(self, together: Iterable[events.Event], now: float) -> tuple[Command, ...]:
        """Take several events that have all come before the engine can react to the first of them."""
        self._ctx.now = now
        for event in together:
            self._take(event)
        self._ctx.run_lanes()
        return self._ctx.collect()

    @property
    def running(self) -> bool:
        """Whether the tree has been started and not yet ended."""
        return self._root.phase is not Phase.DOWN

    @property
    def stopping(self) -> bool:
        """Whether the tree is on its way down."""
        return self._root.closing and self.running

    @property
    def started(self) -> bool:
        """Whether the first start has gone through all children."""
        return self._root.phase is Phase.READY

    def incarnation(self, child: str) -> int | None:
        """The incarnation whose process is alive or being started; None when there is none."""
        node = self._ctx.nodes.get(child)
        if isinstance(node, WorkerNode) and node.phase is not Phase.DOWN:
            return node.incarnation
        return None

    def spec_of(self, child: str) -> WorkerSpec | None:
        """The specification of a worker, also of one added while the tree runs; None: no such worker."""
        node = self._ctx.nodes.get(child)
        return node.spec if isinstance(node, WorkerNode) else None

    def ids(self) -> tuple[str, ...]:
        """The ids of all children, at any depth, in start order."""
        return tuple(view.id for view in self.view(self._ctx.now))

    def top_ids(self) -> tuple[str, ...]:
        """The ids of the root's own children, in start order."""
        return tuple(child.id for child in self._root.children)

    def view(self, now: float) -> tuple[ChildView, ...]:
        """The tree as an operator sees it."""
        return view_tree(self._root, now)

    def _take(self, event: events.Event) -> None:
        match event:
            case events.Boot():
                if not self._over:
                    self._root.queue.post(self._boot())
            case events.ShutdownAsked(code):
                self._shut_down(code)
            case events.TreeChanged(spec, request):
                self._reload.apply(spec, request)
            case events.TimerFired(timer):
                node = self._root if timer.child == self._root.id else self._ctx.nodes.get(timer.child)
                if node is not None:
                    node.timer_fired(timer)
            case events.StartAsked() | events.StopAsked() | events.RestartAsked():
                self._ask(event)
            case events.SupervisorKilled(supervisor):
                lost = self._supervisor(supervisor)
                if lost is not None:
                    lost.killed()
            case (
                events.StartChild()
                | events.TerminateChild()
                | events.RestartChild()
                | events.DeleteChild()
                | events.CountChildren()
                | events.WhichChildren()
            ):
                self._calls.take(event, self._supervisor(event.supervisor))
            case _:
                self._take_fact(event)

    @property
    def _over(self) -> bool:
        return self._told_to_end or self._root.last_exit is not None

    def _shut_down(self, code: int) -> None:
        if self._root.phase is not Phase.DOWN:
            self._root.shut_down(code)
        elif not self._over:  # asked before the tree was started: it never will be
            self._root.closing = True
            self._ctx.emit(Exit(code))
        self._told_to_end = True

    def _boot(self) -> Operation[None]:
        outcome = yield from self._root.start()
        self._root.record = Record.UP if outcome is Outcome.UP else Record.STOPPED
        if outcome in {Outcome.FAILED, Outcome.IGNORED}:
            self._ctx.emit(Exit(1 if outcome is Outcome.FAILED else 0))

    def _supervisor(self, supervisor: str) -> SupervisorNode | None:
        node = self._root if supervisor == self._root.id else self._ctx.nodes.get(supervisor)
        return node if isinstance(node, SupervisorNode) else None

    def _ask(self, event: events.StartAsked | events.StopAsked | events.RestartAsked) -> None:
        child = self._ctx.nodes.get(event.child)
        if child is None:
            if event.request is not None:
                self._ctx.emit(Reply(event.request, event.child, ok=False, detail="there is no such child"))
            return
        match event:
            case events.StartAsked():
                self._operator.start(child, event.request)
            case events.StopAsked():
                self._operator.stop(child, event.request)
            case events.RestartAsked():
                self._operator.restart(child, event.request)

    def _take_fact(self, event: Fact) -> None:
        node = self._root if event.child == self._root.id else self._ctx.nodes.get(event.child)
        if node is None or node.incarnation != event.incarnation or node.phase is Phase.DOWN:
            return
        if isinstance(node, SupervisorNode):
            _take_birth(node, event)
        else:
            _take_fact_of_worker(node, event)


def _take_birth(node: SupervisorNode, event: Fact) -> None:
    match event:
        case events.Spawned():
            node.born(Outcome.UP)
        case events.SpawnFailed(detail=detail):
            node.born(Outcome.FAILED, detail)
        case events.StartIgnored():
            node.born(Outcome.IGNORED)


def _take_fact_of_worker(node: WorkerNode, event: Fact) -> None:
    match event:
        case events.Spawned(pid=pid):
            node.spawned(pid)
        case events.SpawnFailed(detail=detail, permanent=permanent):
            node.spawn_failed(detail, permanent=permanent)
        case events.StartIgnored():
            node.start_ignored()
        case events.Ready():
            node.became_ready()
        case events.Exited(status=status, detail=detail):
            node.exited(status, detail)
        case events.BeatMissed(silence=silence) if node.phase is Phase.READY:
            node.supervisor.recovery.hung(node, silence)
        case events.LimitExceeded(memory=memory, limit=limit) if node.phase is Phase.READY:
            node.supervisor.recovery.over_limit(node, memory, limit)


Fact = (
    events.Spawned
    | events.SpawnFailed
    | events.StartIgnored
    | events.Ready
    | events.Exited
    | events.BeatMissed
    | events.LimitExceeded
)
