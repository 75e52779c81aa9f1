"""The calls of OTP's supervisor: start, terminate, restart and delete a child; count and list the children.

To the letter of OTP a call waits in the supervisor's inbox like everything else. In a product tree it waits
in the lane of the child it is about, the questions are answered at once, a stop cuts short a start that is
under way, and a restart that fails is tried again like any other failure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from supervisor.engine.child import Outcome, Record
from supervisor.engine.commands import Answer, CallError, CallResult, Counts, ListedChild
from supervisor.engine.completion import complete
from supervisor.engine.context import Context
from supervisor.engine.events import (
    Call,
    ChildCall,
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
)
from supervisor.engine.group import Node, SupervisorNode
from supervisor.engine.lane import Lane, Operation
from supervisor.engine.phase import Phase
from supervisor.engine.spec import ChildSpec, SupervisorSpec
from supervisor.engine.validate import mistake_beneath, mistake_in_child
from supervisor.engine.worker import WorkerNode

_DOWN: dict[Record, CallError] = {Record.UP: "running", Record.RESTARTING: "restarting"}
"""What is said to a call that needs a child which is stopped for good."""


class Calls:
    """Carries out calls; each is answered once."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def take(self, call: Call, supervisor: SupervisorNode | None) -> None:
        """Take a call to a supervisor, or to one that is not there."""
        if supervisor is None or supervisor.phase is Phase.DOWN:
            self._refuse(call, "noproc")
        elif supervisor.closing:
            self._refuse(call, "terminated")
        elif self._ctx.otp:
            self._post(supervisor.lane, self._served(call, supervisor), call)
        else:
            self._take_in_product(call, supervisor)

    def _take_in_product(self, call: Call, supervisor: SupervisorNode) -> None:
        match call:
            case StartChild() if supervisor.parallel:
                child = self._admit(call, supervisor)
                if child is not None:
                    self._post(child.queue, self._start_new(call, supervisor, child), call)
            case StartChild():
                self._post(supervisor.lane, self._served(call, supervisor), call)
            case CountChildren() | WhichChildren():
                self._tell(call, supervisor)
            case _:
                self._take_about_child(call, supervisor)

    def _take_about_child(self, call: ChildCall, supervisor: SupervisorNode) -> None:
        child = _find(supervisor, call.child)
        if child is None:
            self._refuse(call, "not_found")
        elif supervisor.spec.template is not None and not isinstance(call, TerminateChild):
            self._refuse(call, "simple_one_for_one")
        else:
            _wish(call, child)
            self._post(child.queue, self._served(call, supervisor), call)

    def _served(self, call: Call, supervisor: SupervisorNode) -> Operation[None]:
        match call:
            case StartChild():
                child = self._admit(call, supervisor)
                if child is not None:
                    yield from self._start_new(call, supervisor, child)
            case CountChildren() | WhichChildren():
                self._tell(call, supervisor)
            case _:
                yield from self._serve(call, supervisor)

    def _serve(self, call: ChildCall, supervisor: SupervisorNode) -> Operation[None]:
        child = _find(supervisor, call.child)
        if supervisor.spec.strategy == "simple_one_for_one" and self._ctx.otp:
            yield from self._serve_instance(call, supervisor, child)
        elif child is None:
            self._refuse(call, "not_found")
        else:
            yield from self._serve_child(call, supervisor, child)

    def _serve_child(self, call: ChildCall, supervisor: SupervisorNode, child: Node) -> Operation[None]:
        match call:
            case TerminateChild():
                yield from self._terminate(call, supervisor, child)
            case RestartChild():
                yield from self._restart(call, supervisor, child)
            case DeleteChild():
                self._delete(call, supervisor, child)

    def _serve_instance(
        self, call: ChildCall, supervisor: SupervisorNode, child: Node | None
    ) -> Operation[None]:
        # OTP knows instances by their process only: an id stands for the last process that had it.
        if not isinstance(call, TerminateChild) or (child is None and call.child not in self._ctx.once_up):
            self._refuse(call, "simple_one_for_one")
        elif child is not None:
            yield from self._terminate(call, supervisor, child)
        elif call.child in self._ctx.nodes and self._ctx.nodes[call.child].phase is not Phase.DOWN:
            self._refuse(call, "not_found")
        else:
            self._answer(call, CallResult())

    # The calls.

    def _admit(self, call: StartChild, supervisor: SupervisorNode) -> Node | None:
        """Put a new child at the end of the list, or refuse the call."""
        spec = _specified(call, supervisor.spec)
        if spec is None:
            self._refuse(call, "not_found" if isinstance(call.spec, str) else "simple_one_for_one")
            return None
        error = self._reason_against(spec, supervisor)
        if error is not None:
            self._refuse(call, error)
            return None
        child = supervisor.adopt(spec)
        supervisor.children.append(child)
        return child

    def _reason_against(self, spec: ChildSpec, supervisor: SupervisorNode) -> CallError | None:
        mistake = mistake_in_child(spec, supervisor.spec)
        if mistake is None and not self._ctx.otp:  # OTP looks into a nested specification when that starts
            mistake = mistake_beneath(spec)
        if mistake is not None:
            return mistake.value
        child = _find(supervisor, spec.id)
        if child is not None:
            return "already_started" if child.record is Record.UP else "already_present"
        return "id_in_use" if any(name in self._ctx.nodes for name in _ids(spec)) else None

    def _start_new(self, call: StartChild, supervisor: SupervisorNode, child: Node) -> Operation[None]:
        outcome = yield from supervisor.start_child(child)
        if outcome is Outcome.CUT:
            self._refuse(call, "terminated")
            return
        if outcome is Outcome.FAILED:
            supervisor.forget(child)
        elif outcome is Outcome.IGNORED:
            supervisor.recovery.drop_if_done(child)
        self._answer(call, _result_of(outcome, child))

    def _terminate(self, call: TerminateChild, supervisor: SupervisorNode, child: Node) -> Operation[None]:
        yield from child.stop("stopped")
        child.forget_next_start()
        was = child.record
        child.record = Record.STOPPED
        supervisor.recovery.drop_if_done(child)
        self._answer(call, CallResult())
        self._start_others(supervisor, was)

    def _restart(self, call: RestartChild, supervisor: SupervisorNode, child: Node) -> Operation[None]:
        error = _DOWN.get(child.record)
        if error is not None:
            self._refuse(call, error)
            return
        was = child.record
        yield from child.stop("restarted")  # a start that was cut may have left a process behind
        outcome = yield from self._start_again(supervisor, child)
        if outcome is Outcome.CUT:
            self._refuse(call, "terminated")
            return
        self._answer(call, _result_of(outcome, child))
        if outcome is not Outcome.FAILED:
            self._start_others(supervisor, was)
        elif not self._ctx.otp:
            supervisor.recovery.start_failed(child)

    def _start_again(self, supervisor: SupervisorNode, child: Node) -> Operation[Outcome]:
        if not self._ctx.otp:
            if not child.wanted:  # somebody has stopped it meanwhile
                return Outcome.CUT
            child.forgive()
        outcome: Outcome = yield from supervisor.start_child(child)
        return outcome

    def _delete(self, call: DeleteChild, supervisor: SupervisorNode, child: Node) -> None:
        error = _DOWN.get(child.record) or (None if child.phase is Phase.DOWN else "running")
        if error is not None:
            self._refuse(call, error)
            return
        was = child.record
        supervisor.forget(child)
        self._answer(call, CallResult())
        self._start_others(supervisor, was)

    def _start_others(self, supervisor: SupervisorNode, was: Record) -> None:
        # In a group of a product tree the others wait for one that is in backoff, held or being restarted.
        if was is not Record.UP and not self._ctx.otp and not supervisor.parallel:
            supervisor.lane.post(complete(supervisor), first=True)

    def _tell(self, call: CountChildren | WhichChildren, supervisor: SupervisorNode) -> None:
        if isinstance(call, CountChildren):
            self._answer(call, CallResult(counts=_counts(supervisor)))
        else:
            listed = tuple(_listed(child) for child in reversed(supervisor.children))
            self._answer(call, CallResult(which=listed))

    # Answers.

    def _post(self, lane: Lane, operation: Operation[None], call: Call) -> None:
        lane.post(operation, dropped=lambda: self._refuse(call, "terminated"))

    def _refuse(self, call: Call, error: CallError) -> None:
        self._answer(call, CallResult(error=error))

    def _answer(self, call: Call, result: CallResult) -> None:
        self._ctx.emit(Answer(call.request, result))


def _wish(call: ChildCall, child: Node) -> None:
    """Note what is wanted at once, so that nothing under way can contradict it."""
    match call:
        case TerminateChild():
            child.wanted = False
            child.forget_next_start()
            if child.phase is Phase.STARTING:
                child.cut()
        case RestartChild():
            child.wanted = True
            child.finished = False
        case DeleteChild():
            pass


def _find(supervisor: SupervisorNode, child_id: str) -> Node | None:
    return next((child for child in supervisor.children if child.id == child_id), None)


def _specified(call: StartChild, supervisor: SupervisorSpec) -> ChildSpec | None:
    """The specification of the new child; None for an instance where there is no template, or the reverse."""
    template = supervisor.template
    if not isinstance(call.spec, str):
        return call.spec if template is None else None
    if template is None:
        return None
    return replace(template, id=call.spec, program=call.program or template.program)


def _ids(spec: ChildSpec) -> list[str]:
    beneath = spec.children if isinstance(spec, SupervisorSpec) else ()
    return [spec.id, *(name for child in beneath for name in _ids(child))]


def _result_of(outcome: Outcome, child: Node) -> CallResult:
    if outcome is Outcome.FAILED:
        return CallResult(error="start_failed", failed_path=child.failed_path)
    return CallResult(ignored=outcome is Outcome.IGNORED)


def _counts(supervisor: SupervisorNode) -> Counts:
    children = supervisor.children
    workers = sum(isinstance(child, WorkerNode) for child in children)
    supervisors = len(children) - workers
    if supervisor.spec.strategy == "simple_one_for_one":
        # Here OTP does not look at the processes: one whose death is still in the inbox counts.
        active = sum(child.record is Record.UP for child in children)
        return Counts(1, active, supervisors, workers)
    active = sum(child.phase is Phase.READY for child in children)
    return Counts(len(children), active, supervisors, workers)


def _listed(child: Node) -> ListedChild:
    match child.record:
        case Record.UP:
            state: Literal["running", "stopped", "restarting"] = "running"
        case Record.RESTARTING:
            state = "restarting"
        case _:
            state = "stopped"
    return ListedChild(child.id, state, "worker" if isinstance(child, WorkerNode) else "supervisor")
