"""What follows from the death of a child: nothing, a restart, or the end of its supervisor.

The rules are OTP's. Where a product tree differs (``Context.otp`` is false): a restart may be delayed, a
child may be parked, and the root holds instead of ending.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from supervisor.engine.allowance import Allowance, Verdict
from supervisor.engine.child import Ending, Record, failure_of
from supervisor.engine.commands import Report
from supervisor.engine.delay import restart_delay
from supervisor.engine.events import Reason
from supervisor.engine.lane import Operation
from supervisor.engine.phase import Phase
from supervisor.engine.worker import WorkerNode

if TYPE_CHECKING:
    from supervisor.engine.group import Node, SupervisorNode


class Recovery:
    """Sees to the failures of one supervisor's children, each in its lane."""

    def __init__(self, supervisor: SupervisorNode) -> None:
        self._supervisor = supervisor
        self._ctx = supervisor.ctx
        self._allowance = Allowance(supervisor)

    # What the children tell.

    def child_died(self, child: Node) -> None:
        """A child ended by itself; its lane will see to it in its turn."""
        if child.death is not None and not self._supervisor.closing:
            child.queue.post(self._on_death(child, child.death))

    def delay_over(self, child: Node) -> None:
        """The wait before a start has passed."""
        if child.record is Record.HELD:
            child.probing = True
            child.record = Record.RESTARTING
        child.queue.post(self._resume(child))

    def start_failed(self, child: Node) -> None:
        """Try again later: behind everything that waits already."""
        child.record = Record.RESTARTING
        child.answer_joiners(ok=False, detail=failure_of(child))
        child.queue.post(self._retry(child))

    def hung(self, child: WorkerNode, silence: float) -> None:
        """A child gives no sign of progress."""
        facts = {"silence": round(silence, 3)}
        self._ctx.emit(Report("hung", child.id, child.incarnation, child.pid, facts))
        child.queue.post(self._replace_hung(child, child.incarnation))

    def over_limit(self, child: WorkerNode, memory: int, limit: int) -> None:
        """A child's memory stays above what it may have."""
        facts = {"what": "memory limit exceeded", "memory": memory, "limit": limit}
        self._ctx.emit(Report("warning", child.id, child.incarnation, child.pid, facts))
        child.queue.post(self._replace(child, child.incarnation, "memory"))

    def runtime_reached(self, child: WorkerNode) -> None:
        """A child has run for as long as one run may last."""
        child.queue.post(self._cycle(child, child.incarnation))

    # What the supervisor asks.

    def may_start(self, child: Node) -> bool:
        """Whether nobody wishes the child to stay down."""
        if child.gone:
            return False
        if self._ctx.otp:
            return True
        return child.wanted and not child.finished and child.record not in {Record.PARKED, Record.HELD}

    def drop_if_done(self, child: Node) -> None:
        """Take a child that is down off the list if it is of a kind that does not stay there stopped."""
        child.finished = child.spec.restart == "temporary"
        simple = self._supervisor.spec.strategy == "simple_one_for_one"
        if simple or (child.finished and self._ctx.otp):
            self._supervisor.forget(child)

    # Operations.

    def _on_death(self, child: Node, ending: Ending) -> Operation[None]:
        # The children of a killed supervisor may still be dying.
        yield lambda: child.death is not ending or child.phase is Phase.DOWN
        if child.death is not ending:  # it was stopped meanwhile: nobody's business any more
            return
        child.death = None
        if self._person_must_look(child, ending):
            yield from self._park(child, ending.reason)
        elif _restart_wanted(child, ending):
            yield from self._restart(child)
        else:
            self._ended_for_good(child)

    def _restart(self, child: Node) -> Operation[None]:
        if child.probing:
            yield from self._hold(child)
            return
        match self._allowance.count(child):
            case Verdict.PARK:
                yield from self._park(child, "intensity")
            case Verdict.GIVE_UP:
                yield from self._exhausted(child)
            case Verdict.RESTART:
                child.record = Record.RESTARTING
                yield from self._stop_group(child)
                yield from self._start_after_delay(child)

    def _start_after_delay(self, child: Node) -> Operation[None]:
        if self._supervisor.closing:
            return
        if not child.wanted:  # stopped meanwhile: the others come back without it
            child.record = Record.STOPPED
            yield from self._supervisor.start_all(self._group(child))
            return
        delay = self._delay(child)
        self._report_restart(child, delay)
        if delay > 0:
            child.wait_before_start("backoff", delay)
        else:
            yield from self._resume(child)

    def _resume(self, child: Node) -> Operation[None]:
        if child.record is Record.RESTARTING and not self._supervisor.closing:
            child.restarts += 1
            # When one before it in its group fails, it waits for that one as the others do.
            child.record = Record.STOPPED
            yield from self._supervisor.start_all(self._group(child))

    def _retry(self, child: Node) -> Operation[None]:
        if child.record is not Record.RESTARTING or self._supervisor.closing:
            return
        if child.last_exit is not None and self._person_must_look(child, child.last_exit):
            yield from self._park(child, child.last_exit.reason)
        else:
            yield from self._restart(child)

    def _replace_hung(self, child: WorkerNode, incarnation: int) -> Operation[None]:
        if child.incarnation == incarnation and child.phase is Phase.READY:
            yield from child.stop_hung()
            yield from self._after_stop(child)

    def _replace(self, child: WorkerNode, incarnation: int, reason: Reason) -> Operation[None]:
        if child.incarnation == incarnation and child.phase is Phase.READY:
            yield from child.stop(reason)
            yield from self._after_stop(child)

    def _after_stop(self, child: WorkerNode) -> Operation[None]:
        child.record = Record.STOPPED
        if self._supervisor.closing or not child.wanted:
            return
        if child.spec.restart == "temporary":
            self._ended_for_good(child)
        else:
            yield from self._restart(child)

    def _cycle(self, child: WorkerNode, incarnation: int) -> Operation[None]:
        if child.incarnation != incarnation or child.phase is not Phase.READY:
            return
        yield from child.stop("max_runtime")
        child.record = Record.STOPPED
        yield from self._supervisor.start_all((child,))

    def _park(self, child: Node, reason: str) -> Operation[None]:
        child.record = Record.PARKED
        detail = None if child.last_exit is None else child.last_exit.detail
        self._ctx.emit(Report("parked", child.id, facts={"reason": reason, "detail": detail}))
        # Those after it in a group need not wait for it.
        yield from self._supervisor.start_all(self._group(child))

    def _exhausted(self, child: Node) -> Operation[None]:
        supervisor = self._supervisor
        if supervisor.parent is None and supervisor.spec.on_exhausted == "hold" and not self._ctx.otp:
            self._ctx.emit(Report("held", child.id, facts={"probe": supervisor.spec.probe}))
            yield from self._hold(child)
            return
        child.record = Record.STOPPED
        if not self._ctx.otp:
            self._ctx.emit(Report("escalated", child.id, facts={"to": supervisor.id}))
        supervisor.give_up(f"too many restarts, the last one of {child.id}")

    def _hold(self, child: Node) -> Operation[None]:
        child.record = Record.HELD
        child.probing = False
        yield from self._stop_group(child)
        if child.wanted and not self._supervisor.closing:
            child.wait_before_start("probe", self._supervisor.spec.probe)

    def _stop_group(self, child: Node) -> Operation[None]:
        for member in reversed(self._group(child)):
            yield from member.stop("restarted")
            if member is not child:
                member.record = Record.STOPPED
                self.drop_if_done(member)

    def _ended_for_good(self, child: Node) -> None:
        child.record = Record.STOPPED
        self.drop_if_done(child)
        if child.spec.significant and self._ends_with(child):
            self._supervisor.give_up(f"{child.id}, a significant child, has ended", code=0)

    # Judgements.

    def _ends_with(self, child: Node) -> bool:
        supervisor = self._supervisor
        if supervisor.spec.auto_shutdown == "all_significant":
            others = (other for other in supervisor.children if other is not child)
            there = {Record.UP, Record.RESTARTING}
            return not any(other.spec.significant and other.record in there for other in others)
        return supervisor.spec.auto_shutdown == "any_significant"

    def _group(self, child: Node) -> Sequence[Node]:
        children = self._supervisor.children
        match self._supervisor.spec.strategy:
            case "one_for_all":
                return tuple(children)
            case "rest_for_one":
                return tuple(children[children.index(child) :])
            case _:
                return (child,)

    def _delay(self, child: Node) -> float:
        if self._ctx.otp or not isinstance(child, WorkerNode) or child.attempt == 0:
            return 0.0
        return restart_delay(child.spec.backoff, child.attempt, self._ctx.uniform)

    def _person_must_look(self, child: Node, ending: Ending) -> bool:
        return not self._ctx.otp and isinstance(child, WorkerNode) and ending.reason == "config"

    def _report_restart(self, child: Node, delay: float) -> None:
        own = child.window if isinstance(child, WorkerNode) else None
        window = own or self._supervisor.window
        last = child.last_exit
        facts = {
            "attempt": max(1, child.attempt),
            "max_restarts": window.intensity.max_restarts,
            "restarts_in_window": window.counted(self._ctx.now),
            "delay": round(delay, 3),
            "reason": "" if last is None else last.reason,
            "consecutive_failures": child.failures,
            "uptime": 0.0 if last is None else round(last.uptime, 3),
        }
        self._ctx.emit(Report("restarting", child.id, facts=facts))


def _restart_wanted(child: Node, ending: Ending) -> bool:
    """OTP's rule, read downwards: permanent always, transient after an abnormal end, temporary never."""
    match child.spec.restart:
        case "permanent":
            return True
        case "transient":
            return not ending.status.normal
        case "temporary":
            return False
