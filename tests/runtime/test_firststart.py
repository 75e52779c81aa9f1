"""What becomes of the first start, in simulated time and on a real engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from supervisor.engine import events
from supervisor.engine.engine import Engine
from supervisor.engine.spec import SupervisorSpec, WorkerSpec
from supervisor.runtime.firststart import SETTLE_S, FirstStart


class Alarm:
    """A call that is due."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        """Do not make it."""
        self.cancelled = True


class Start:
    """An engine, its first start, and a clock that a test moves."""

    def __init__(self, *children: WorkerSpec) -> None:
        self.now = 0.0
        self.alarms: list[Alarm] = []
        self.told: list[object] = []
        self.pids = itertools.count(100)
        self.engine = Engine(SupervisorSpec(id="root", children=children), uniform=lambda: 0.0)
        self.first = FirstStart(self, self.engine, ready=self.told.append, failed=self.told.append)
        self.tell(events.Boot())

    def time(self) -> float:
        """The simulated time."""
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Alarm:
        """Note a call."""
        self.alarms.append(Alarm(self.now + delay, callback))
        return self.alarms[-1]

    def tell(self, event: events.Event) -> None:
        """Tell the engine, and look as the root does."""
        self.engine.handle(event, self.now)
        self.first.look()

    def born(self, child: str, incarnation: int = 1) -> None:
        """Its process exists."""
        self.tell(events.Spawned(child, incarnation, pid=next(self.pids)))

    def pass_time(self, seconds: float) -> None:
        """Move the clock and make the calls that are due."""
        self.now += seconds
        due = [alarm for alarm in self.alarms if alarm.at <= self.now and not alarm.cancelled]
        self.alarms = [alarm for alarm in self.alarms if alarm.at > self.now and not alarm.cancelled]
        for alarm in due:
            alarm.call()


COMMAND = WorkerSpec(id="command", ready="immediate", heartbeat=None)


@pytest.mark.req("O1")
def test_command_that_lives_on_is_ready_after_a_moment() -> None:
    """A program of which nobody can ask anything is believed when it has lived for a second."""
    start = Start(COMMAND)
    start.born("command")

    start.pass_time(SETTLE_S - 0.1)
    assert start.told == []
    start.pass_time(0.2)
    assert start.told == [True]
    start.pass_time(100)
    assert start.told == [True]


@pytest.mark.req("O1")
def test_command_that_dies_a_moment_later_was_not_ready() -> None:
    """`start --detach` said "ready" of a program that had ended before anybody could look."""
    start = Start(COMMAND)
    start.born("command")
    start.pass_time(SETTLE_S / 2)
    start.tell(events.Exited("command", 1, events.ExitStatus(code=1)))
    start.pass_time(SETTLE_S)
    assert start.told == []

    start.tell(events.TimerFired(events.Timer("command", "backoff", 1)))
    start.born("command", 2)
    start.pass_time(SETTLE_S)
    assert start.told == [True]


@pytest.mark.req("O1")
def test_worker_that_says_so_itself_is_believed_at_once() -> None:
    """Whoever tells that it serves need not wait."""
    start = Start(WorkerSpec(id="worker", ready="message"))
    start.born("worker")
    assert start.told == []

    start.tell(events.Ready("worker", 1))

    assert start.told == [True]


@pytest.mark.req("O1")
def test_one_shot_that_has_done_its_work_keeps_nobody_waiting() -> None:
    """A temporary program that ends with 0 within the second is not waited for any more."""
    start = Start(WorkerSpec(id="once", ready="immediate", heartbeat=None, restart="temporary"), COMMAND)
    start.born("once")
    start.born("command")
    start.tell(events.Exited("once", 1, events.ExitStatus(code=0)))

    start.pass_time(SETTLE_S)

    assert start.told == [True]
