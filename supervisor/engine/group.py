"""A supervisor and its children: start in order, stop in reverse, end.

The operations are OTP's, step by step. Where a product tree differs (``Context.otp`` is false): each child of
a one_for_one supervisor has a lane of its own, a failed first start is a failure like any other instead of
the end of the supervisor, and what is stopped meanwhile ends every wait for a start. What a death leads to
is in ``recovery``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from supervisor.engine.child import ChildNode, Ending, Outcome, Record
from supervisor.engine.commands import Exit, Report, SpawnSupervisor
from supervisor.engine.context import Context
from supervisor.engine.events import ExitStatus, Reason, Timer
from supervisor.engine.lane import Lane, Operation
from supervisor.engine.phase import Phase
from supervisor.engine.recovery import Recovery
from supervisor.engine.spec import ChildSpec, SupervisorSpec
from supervisor.engine.validate import Mistake, mistake_in
from supervisor.engine.window import RestartWindow
from supervisor.engine.worker import WorkerNode

SHUTDOWN = ExitStatus(code=0)
"""How a supervisor ends that was not killed: for its parent a normal exit."""
KILLED = ExitStatus(signal="SIGKILL")
NO_PROCESS = ExitStatus()


class SupervisorNode(ChildNode):
    """A supervisor. As a child it is started and stopped by its parent; the root has none.

    ``shall`` is what it is to be made anew from as soon as it is down.
    """

    def __init__(self, ctx: Context, spec: SupervisorSpec, parent: SupervisorNode | None) -> None:
        super().__init__(ctx, spec.id, parent, Lane(ctx.wake))
        self.spec = spec
        self.lane = Lane(ctx.wake)
        self.children: list[Node] = []
        self.window = RestartWindow(spec.intensity, whole_seconds=ctx.otp)
        self.recovery = Recovery(self)
        self.closing = self._ending = False
        self.shall: SupervisorSpec | None = None
        self.exit_code = self.incarnation = 0
        self.since: float | None = None
        self._birth: tuple[Outcome, str | None] | None = None
        self._mistake: Mistake | None = None
        if not ctx.otp:  # an operator may have wishes about a child before its first start
            self._populate()

    @property
    def parallel(self) -> bool:
        """Whether children are operated on independently of each other."""
        return not self.ctx.otp and self.spec.strategy in {"one_for_one", "simple_one_for_one"}

    # As a child.

    def start(self) -> Operation[Outcome]:
        """Start afresh from the specification: all children, in order."""
        self._begin()
        if self.ctx.otp:
            born = yield from self._be_born()
            if born is not Outcome.UP:
                return born
        self._populate()
        self.lane.post(self._boot(), listener=self.queue)
        yield lambda: self.phase is not Phase.STARTING or self.closing
        if self.closing:
            return Outcome.CUT
        return Outcome.UP if self._is(Phase.READY) else Outcome.FAILED

    def stop(self, reason: Reason, *, at_most: float | None = None) -> Operation[None]:
        """Stop all children in reverse order; wait until they are gone."""
        self.ask_to_stop(reason, at_most=at_most)
        yield lambda: self.phase is Phase.DOWN
        self.death = None

    def ask_to_stop(self, reason: Reason, *, at_most: float | None = None) -> None:
        """Begin to stop. In a product tree nothing that is under way may delay it."""
        if self.phase in {Phase.DOWN, Phase.STOPPING} or self._ending:
            return
        if not self.ctx.otp:
            self.close()
        self._ending = True
        self.lane.post(self._end(reason), first=not self.ctx.otp)

    def kill(self, reason: Reason) -> None:
        """Be told that the supervisor above is lost: nobody is left to wait for, everything ends."""
        self.ask_to_stop(reason)

    def cut(self) -> None:
        """End all waits for starts beneath."""
        for child in self.children:
            child.cut()

    def forgive(self) -> None:
        """Earlier failures no longer count, also those of what is beneath."""
        super().forgive()
        for child in self.children:
            child.forgive()

    def close(self) -> None:
        """Let nothing beneath start any more."""
        self.closing = True
        if not self._ending:  # else the end itself may still wait in there
            self.lane.drop_inbox()
        for child in self.children:
            if child.queue is not self.lane:
                child.queue.drop_inbox()
            child.forget_next_start()
            child.answer_joiners(ok=False, detail="its supervisor is stopping or down")
            if isinstance(child, SupervisorNode) and not self.ctx.otp:
                child.close()
            child.cut()

    def timer_fired(self, timer: Timer) -> None:
        """Take an alarm about this supervisor as a child of its parent."""
        if self.take_alarm(timer) and self.parent is not None:
            self.parent.recovery.delay_over(self)

    def born(self, outcome: Outcome, detail: str | None = None) -> None:
        """Learn how the start of its own process went."""
        self._birth = outcome, detail
        self.changed()

    def killed(self) -> None:
        """Take that the supervisor is lost, in the middle of whatever it did. Its children end now."""
        if self.phase is Phase.DOWN:
            return
        self._ending = True
        for lane in (self.lane, *(child.queue for child in self.children)):
            lane.abandon()
        self.close()
        self._became(Phase.STOPPING)
        ending = self._ending_of("killed", KILLED, "it was killed")
        self.lane.post(self._collapse(ending))
        if self.parent is not None:  # it learns at once, before the children are gone
            self.death = ending
            self.parent.recovery.child_died(self)

    # Children.

    def adopt(self, spec: ChildSpec) -> Node:
        """Make the node of a child. It is not in the list yet."""
        node: Node
        if isinstance(spec, SupervisorSpec):
            node = SupervisorNode(self.ctx, spec, self)
        else:
            node = WorkerNode(self.ctx, spec, self, Lane(self.ctx.wake))
        if not self.parallel:
            node.queue = self.lane
        self.ctx.nodes[spec.id] = node
        return node

    def take_spec(self, spec: SupervisorSpec) -> None:
        """Be governed by a changed specification from now on; the children are the caller's business."""
        self.spec = spec
        self.window = RestartWindow(spec.intensity, self.window.whole_seconds, self.window.times)

    def forget(self, child: Node) -> None:
        """Take a child that is down off the list; what still waits in a lane of its own is dropped."""
        self.children = [other for other in self.children if other is not child]
        self._release(child)

    def disband(self) -> None:
        """Forget all children."""
        children, self.children = self.children, []
        for child in children:
            self._release(child)

    def rebuild(self) -> None:
        """Become what it shall be, while it is down. What an operator wished of the members stays."""
        if self.shall is None:
            return
        wishes = {node.id: node.wanted for node in beneath(self)}
        self.disband()
        self.take_spec(self.shall)
        self.shall = None
        self.children = [self.adopt(child) for child in self.spec.children]
        for node in beneath(self):
            node.wanted = wishes.get(node.id, True)

    def _settle(self) -> None:
        """Now that all is down, see to the changes that wait for that, whose turn may never come."""
        self.rebuild()
        for child in tuple(self.children):
            child.rebuild()
            if child.leaving:
                self.forget(child)

    def _release(self, child: Node) -> None:
        child.gone = True
        child.record = Record.STOPPED  # a try to start it again may still wait in the lane
        child.answer_joiners(ok=False, detail="it was removed")
        child.death = None
        child.disarm_all()
        if child.queue is not self.lane:
            child.queue.drop_inbox()
        if self.ctx.nodes.get(child.id) is child:
            del self.ctx.nodes[child.id]
        if isinstance(child, SupervisorNode):
            child.shall = None
            child.disband()

    def start_child(self, child: Node) -> Operation[Outcome]:
        """Start one child and keep the list true."""
        child.finished = False
        outcome = yield from child.start()
        child.record = Record.UP if outcome is Outcome.UP else Record.STOPPED
        return outcome

    def start_all(self, members: Sequence[Node] | None = None) -> Operation[None]:
        """Start those that shall run and do not, in order; the first failure ends it.

        ``members`` None: all that are there when its turn comes. Beneath a supervisor that is down, or on
        its way, nothing starts: its own start will see to them.
        """
        for child in tuple(self.children) if members is None else members:
            if self.closing or self.phase is Phase.DOWN:
                return
            if child.phase is not Phase.DOWN or not self.recovery.may_start(child):
                continue
            outcome = yield from self.start_child(child)
            if outcome is Outcome.FAILED:
                self.recovery.start_failed(child)
                return

    def give_up(self, detail: str, code: int = 1) -> None:
        """End this supervisor, as soon as its lane is free."""
        if self.closing:
            return
        if not self.ctx.otp:
            self.close()
        self._ending = True
        self.lane.post(self._end("normal", detail=detail, code=code), first=True)

    def shut_down(self, code: int) -> None:
        """The owner of the root orders it to end."""
        self.exit_code = code
        self.ask_to_stop("stopped")

    # The beginning.

    def _begin(self) -> None:
        self.forget_next_start()
        self.phase = Phase.STARTING
        self.closing = self._ending = False
        self.death = self._birth = self._mistake = None
        self.since = self.ctx.now
        self.window = RestartWindow(self.spec.intensity, whole_seconds=self.ctx.otp)

    def _be_born(self) -> Operation[Outcome]:
        self.incarnation = self.ctx.next_incarnation(self.id)
        self.ctx.emit(SpawnSupervisor(self.id, self.incarnation))
        yield lambda: self._birth is not None or self.closing
        if self.closing or self._birth is None:
            return Outcome.CUT
        outcome, detail = self._birth
        if outcome is Outcome.UP:
            self._mistake = mistake_in(self.spec)
            if self._mistake is not None:
                outcome, detail = Outcome.FAILED, "its specification is refused"
        if outcome is Outcome.FAILED:
            self._not_started((), detail)
        elif outcome is Outcome.IGNORED:
            self._became(Phase.DOWN)
        return outcome

    def _populate(self) -> None:
        """Have the children of the specification again, and no others.

        A child that is there keeps what an operator wished of it and whether it is parked.
        """
        wanted = {id(spec) for spec in self.spec.children}
        for child in tuple(self.children):
            child.rebuild()  # the turn of that in the lane may not have come yet
            if id(child.spec) not in wanted:
                self.forget(child)
        there = {child.id: child for child in self.children}
        self.children = [there.get(spec.id) or self.adopt(spec) for spec in self.spec.children]
        for child in self.children:
            child.finished = False

    def _boot(self) -> Operation[None]:
        if self.ctx.otp:
            failed = yield from self._start_until_failure()
            if failed is not None:
                yield from self._stop_children()
                self._not_started(failed.failed_path, f"the start of {failed.id} failed")
                return
        elif self.parallel:
            for child in tuple(self.children):
                yield from self._first_start(child)
        else:
            yield from self.start_all()
        if not self.closing:
            self._report("ready", {})
            self.answer_joiners(ok=True, detail="ready")
            self._became(Phase.READY)

    def _start_until_failure(self) -> Operation[Node | None]:
        for child in tuple(self.children):
            outcome = yield from self.start_child(child)
            if outcome is Outcome.FAILED:
                return child
            if outcome is Outcome.IGNORED and child.spec.restart == "temporary":
                self.forget(child)
        return None

    def _first_start(self, child: Node) -> Operation[None]:
        if self.closing:
            return
        ticket = child.queue.post(self.start_all((child,)), listener=self.lane)
        yield lambda: ticket.done or self.closing

    def _not_started(self, failed_path: tuple[str, ...], detail: str | None) -> None:
        self.failed_path = (self.id, *failed_path)
        self.lane.drop_inbox()
        self._ended(self._ending_of("start_failed", NO_PROCESS, detail))

    # The end.

    def _end(self, reason: Reason, *, detail: str | None = None, code: int | None = None) -> Operation[None]:
        # With a code it ends of its own accord; without one it was ordered to.
        self.close()
        self._became(Phase.STOPPING)
        yield from self._stop_children()
        self.lane.drop_inbox()
        self._ended(self._ending_of(reason, KILLED if reason == "killed" else SHUTDOWN, detail))
        if self.parent is None:
            self.ctx.emit(Exit(self.exit_code if code is None else code))
        elif code is not None:
            self.death = self.last_exit
            self.parent.recovery.child_died(self)

    def _stop_children(self) -> Operation[None]:
        children = tuple(reversed(self.children))
        if self.spec.strategy == "simple_one_for_one":
            for child in children:
                child.ask_to_stop("stopped")
        for child in children:
            yield from child.stop("stopped")
            if child.record is not Record.PARKED:
                child.record = Record.STOPPED

    def _collapse(self, ending: Ending) -> Operation[None]:
        for child in reversed(self.children):
            child.kill("killed")
        for child in reversed(self.children):
            yield from child.stop("killed")
            child.record = Record.STOPPED
        self._ended(ending)
        if self.parent is None:
            self.ctx.emit(Exit(1))

    def _ended(self, ending: Ending) -> None:
        self.last_exit = ending
        self.since = None
        self._report_ending(ending)
        if self.ctx.otp or self.spec.strategy == "simple_one_for_one":
            self.disband()
        self._settle()
        self._became(Phase.DOWN)

    def _ending_of(self, reason: Reason, status: ExitStatus, detail: str | None) -> Ending:
        uptime = 0.0 if self.since is None else self.ctx.now - self.since
        return Ending(self.incarnation, None, status, reason, self.ctx.now, uptime, detail)

    def _report_ending(self, ending: Ending) -> None:
        facts = ending.facts()
        if ending.reason == "start_failed":
            facts["failed_path"] = self.failed_path
            facts["mistake"] = None if self._mistake is None else self._mistake.detail
        self._report("exited", facts)

    def _report(self, event: Literal["ready", "exited"], facts: dict[str, object]) -> None:
        # The start and the end of a product's root are told by whoever runs it.
        if self.parent is not None or self.ctx.otp:
            self.ctx.emit(Report(event, self.id, facts=facts))

    def _became(self, phase: Phase) -> None:
        self.phase = phase
        self.changed()

    def _is(self, phase: Phase) -> bool:
        return self.phase is phase


Node = WorkerNode | SupervisorNode


def beneath(group: SupervisorNode) -> Iterator[Node]:
    """All children, at any depth, parents before their children."""
    for child in group.children:
        yield child
        if isinstance(child, SupervisorNode):
            yield from beneath(child)
