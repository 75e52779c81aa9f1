"""A product tree of independent children, in simulated time."""

from __future__ import annotations

import pytest

from supervisor.engine import commands, events
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import Backoff, Heartbeat, Intensity, Program, Restart
from tests.engine.independent import tree, worker
from tests.support.world import CRASH, KILLED, NORMAL, Life, World

NEVER_READY = Life(ready_after=None)
STUBBORN = Life(stops_in=None)


@pytest.mark.req("S1")
def test_children_start_in_order_each_after_the_one_before_is_ready() -> None:
    """The second child is spawned when the first has said that it is ready."""
    world = World(tree(worker("a"), worker("b")))
    world.script("a", Life(ready_after=3.0))
    world.boot()

    assert {"a": "starting", "b": "starting"} == world.states()
    assert [] == world.spawned_at["b"]
    world.run_for(3.0)
    assert {"a": "ready", "b": "ready"} == world.states()
    assert [1003.0] == world.spawned_at["b"]


@pytest.mark.req("S1")
def test_killed_child_comes_back_at_once_and_is_counted() -> None:
    """The first restart waits for nothing; the other child is not touched."""
    world = World(tree(worker("a"), worker("b"))).boot()
    world.crash("a", KILLED)
    world.run_for(0.0)

    view = world.view("a")
    assert ("ready", 1, 2) == (view.state, view.restarts, view.incarnation)
    assert view.last_exit is not None
    assert "killed" == view.last_exit.reason
    assert 1 == world.view("b").incarnation


@pytest.mark.req("S1")
def test_delays_grow_to_the_cap_and_reset_after_a_stable_time_in_ready() -> None:
    """0, 1, 2, 4, 4 seconds; after 60 s of ready the next restart is immediate again."""
    backoff = Backoff(initial=0.0, factor=2.0, max=4.0, jitter=0.0, stable_after=60.0)
    world = World(tree(worker("a", backoff=backoff, intensity=None, max_consecutive_failures=None)))
    world.boot()
    waits = []
    for _ in range(5):
        died_at = world.now
        world.crash("a")
        world.run_for(10.0)
        waits.append(world.spawned_at["a"][-1] - died_at)

    assert [0.0, 1.0, 2.0, 4.0, 4.0] == waits
    world.run_for(60.0)
    died_at = world.now
    world.crash("a")
    world.run_for(0.0)
    assert died_at == world.spawned_at["a"][-1]


@pytest.mark.req("S1")
@pytest.mark.parametrize(
    ("restart", "status", "state"),
    [
        ("permanent", NORMAL, "ready"),
        ("permanent", CRASH, "ready"),
        ("transient", NORMAL, "down"),
        ("transient", CRASH, "ready"),
        ("transient", KILLED, "ready"),
        ("temporary", NORMAL, "down"),
        ("temporary", CRASH, "down"),
    ],
)
def test_restart_type_decides_what_follows_an_exit(restart: Restart, status: ExitStatus, state: str) -> None:
    """permanent always, transient after an abnormal end, temporary never."""
    world = World(tree(worker("a", restart=restart))).boot()
    world.crash("a", status)
    world.run_for(0.0)

    assert state == world.view("a").state
    assert (state == "ready") == world.view("a").wanted


@pytest.mark.req("S3")
def test_start_that_is_not_confirmed_in_time_is_a_failed_start() -> None:
    """It is stopped, its reason is start_timeout, and the next try follows the backoff."""
    world = World(tree(worker("a", ready_timeout=5.0)))
    world.script("a", NEVER_READY)
    world.boot().run_for(5.0)

    assert ["start_timeout"] == [fact["reason"] for fact in world.facts("exited", "a")]
    world.run_for(0.0)
    assert "ready" == world.view("a").state
    assert 1 == world.view("a").consecutive_failures


@pytest.mark.req("S3")
def test_failed_first_start_does_not_keep_the_others_down() -> None:
    """The rest comes up while the failing one is in backoff."""
    world = World(tree(worker("a", intensity=Intensity(max_restarts=9, period=60.0)), worker("b")))
    world.script("a", Life(spawn="no room"), Life(spawn="no room"))
    world.boot()

    assert {"a": "backoff", "b": "ready"} == world.states()
    world.run_for(1.0)
    assert "ready" == world.view("a").state


@pytest.mark.req("S3")
def test_ready_of_an_older_incarnation_is_dropped() -> None:
    """Only the living incarnation can say that it is ready."""
    world = World(tree(worker("a"))).boot()
    world.script("a", NEVER_READY)
    world.crash("a")
    world.run_for(0.0)
    world.tell(events.Ready("a", 1))

    assert "starting" == world.view("a").state


@pytest.mark.req("S4")
def test_hung_child_is_asked_for_its_stacks_then_stopped_then_killed() -> None:
    """Stacks first, one second; TERM, two seconds at most; KILL; back with reason hung."""
    world = World(tree(worker("a", heartbeat=Heartbeat(), shutdown=30.0, program=Program(start="m:main"))))
    world.script("a", STUBBORN)
    world.boot()
    world.tell(events.BeatMissed("a", 1, 5.0))

    assert commands.DumpStacks("a", 1) in world.performed
    assert commands.Signal("a", 1) not in world.performed
    world.run_for(1.0)
    assert commands.Signal("a", 1) in world.performed
    assert "stopping" == world.view("a").state
    world.run_for(2.0)
    assert commands.Kill("a", 1) in world.performed
    assert "ready" == world.view("a").state
    assert ["hung"] == [fact["reason"] for fact in world.facts("exited", "a")]


@pytest.mark.req("S8")
def test_shutdown_stops_in_reverse_order_and_exits_zero() -> None:
    """The last started stops first; the next one is asked when it is gone."""
    world = World(tree(worker("a"), worker("b"), worker("c")))
    for name in "abc":
        world.script(name, Life(stops_in=1.0))
    world.boot()
    world.tell(events.ShutdownAsked())
    world.tell(events.ShutdownAsked())
    world.run_for(10.0)

    assert 0 == world.exit_code
    assert [("exited", "c"), ("exited", "b"), ("exited", "a")] == world.reported("exited")
    assert 1003.0 == world.reports[-1][0]


@pytest.mark.req("S8")
@pytest.mark.parametrize("moment", [0.0, 0.5, 1.0, 2.0, 4.9, 5.0, 6.5])
def test_shutdown_at_any_moment_of_start_and_backoff_starts_nothing_more(moment: float) -> None:
    """Whatever is under way, nothing is started after the order, and the tree ends with 0."""
    world = World(tree(worker("a", ready_timeout=5.0), worker("b")))
    world.script("a", Life(ready_after=1.0, dies_after=2.0), NEVER_READY)
    world.boot().run_for(moment)
    world.tell(events.ShutdownAsked())
    before = {name: len(times) for name, times in world.spawned_at.items()}
    world.run_for(1000.0)

    assert 0 == world.exit_code
    assert before == {name: len(times) for name, times in world.spawned_at.items()}
    assert not any(world.alive.values())


@pytest.mark.req("S8")
def test_child_that_ignores_term_is_killed_when_its_time_is_over() -> None:
    """TERM, then KILL after ``shutdown`` seconds; brutal_kill waits for nothing."""
    world = World(tree(worker("a", shutdown=5.0), worker("b", shutdown="brutal_kill")))
    world.script("a", STUBBORN)
    world.script("b", STUBBORN)
    world.boot()
    world.tell(events.ShutdownAsked())
    world.run_for(4.9)
    assert commands.Kill("a", 1) not in world.performed
    assert commands.Signal("b", 1) not in world.performed
    world.run_for(0.1)
    assert 0 == world.exit_code


@pytest.mark.req("O3")
def test_operators_stop_wins_over_a_pending_restart() -> None:
    """Stopped during backoff, it stays down; started again, it comes up with one process."""
    world = World(tree(worker("a"))).boot()
    world.crash("a")
    world.run_for(0.0)
    world.crash("a")
    assert "backoff" == world.view("a").state
    world.stop("a", "r1")
    world.run_for(100.0)
    assert ("stopped", False) == (world.view("a").state, world.view("a").wanted)
    world.tell(events.StartAsked("a", "r2"))
    world.run_for(0.0)
    assert ["stopped", "ready"] == [reply.detail for reply in world.replies]
    assert 1 == len(world.alive["a"])


@pytest.mark.req("O3")
def test_last_intent_wins() -> None:
    """stop, start, stop in one breath: down, and every request has its answer."""
    world = World(tree(worker("a"))).boot()
    for request, ask in (("1", events.StopAsked), ("2", events.StartAsked), ("3", events.StopAsked)):
        world.tell(ask("a", request))
    world.run_for(10.0)

    assert "stopped" == world.view("a").state
    assert {"1", "2", "3"} == {reply.request for reply in world.replies}


@pytest.mark.req("O3")
def test_operators_restart_is_not_a_failure() -> None:
    """A new incarnation, no count, reason restarted."""
    world = World(tree(worker("a"))).boot()
    world.tell(events.RestartAsked("a", "r"))
    world.run_for(0.0)

    view = world.view("a")
    assert ("ready", 0, 0, 2) == (view.state, view.restarts, view.consecutive_failures, view.incarnation)
    assert ["restarted"] == [fact["reason"] for fact in world.facts("exited", "a")]


@pytest.mark.req("O3")
def test_operators_restart_of_a_child_that_never_gets_ready_does_not_wait_for_its_timeout() -> None:
    """The start under way is cut short."""
    world = World(tree(worker("a", ready_timeout=30.0)))
    world.script("a", NEVER_READY)
    world.boot().run_for(1.0)
    world.tell(events.RestartAsked("a", "r"))
    world.run_for(0.0)

    assert "ready" == world.view("a").state
    assert [True] == [reply.ok for reply in world.replies]


@pytest.mark.req("S1")
def test_slow_stop_of_one_child_delays_nobody_elses_recovery() -> None:
    """While one child takes 30 s to stop, another is restarted at once."""
    world = World(tree(worker("slow", shutdown=60.0), worker("quick")))
    world.script("slow", Life(stops_in=30.0))
    world.boot()
    world.tell(events.RestartAsked("slow", "r"))
    world.crash("quick")
    world.run_for(0.0)

    assert {"slow": "stopping", "quick": "ready"} == world.states()
    world.run_for(30.0)
    assert "ready" == world.view("slow").state


@pytest.mark.req("S9")
def test_max_runtime_is_an_orderly_restart_and_no_failure() -> None:
    """Every hour a new incarnation, nothing counted."""
    world = World(tree(worker("a", max_runtime=3600.0))).boot().run_for(3 * 3600.0)

    view = world.view("a")
    assert (4, 0, 0) == (view.incarnation, view.restarts, view.consecutive_failures)
    assert {"max_runtime"} == {fact["reason"] for fact in world.facts("exited", "a")}


@pytest.mark.req("S9")
def test_child_above_its_memory_limit_is_replaced() -> None:
    """Reason memory, counted as a failure."""
    world = World(tree(worker("a"))).boot()
    world.tell(events.LimitExceeded("a", 1, memory=200, limit=100))
    world.run_for(0.0)

    assert ["memory"] == [fact["reason"] for fact in world.facts("exited", "a")]
    assert ("ready", 1) == (world.view("a").state, world.view("a").restarts)


@pytest.mark.req("S1")
def test_loss_of_the_forkserver_is_one_failure_and_everyone_is_back_once() -> None:
    """No child is charged; the root counts one."""
    world = World(tree(*(worker(name) for name in "abc"))).boot()
    for name in "abc":
        world.crash(name, ExitStatus(signal="SIGKILL", cause="forkserver"))
    world.run_for(0.0)

    assert {"a": "ready", "b": "ready", "c": "ready"} == world.states()
    assert [(2, 0)] * 3 == [(world.view(n).incarnation, world.view(n).consecutive_failures) for n in "abc"]
    assert [1, 1, 1] == [len(world.alive[name]) for name in "abc"]


@pytest.mark.req("S8")
def test_shutdown_asked_before_the_tree_is_started_wins() -> None:
    """Nothing is ever started; the tree ends with 0."""
    world = World(tree(worker("a")))
    world.tell(events.ShutdownAsked())
    world.boot().run_for(10.0)

    assert world.exit_code == 0
    assert world.spawned_at["a"] == []


@pytest.mark.req("S4")
def test_hung_command_has_no_stacks_to_wait_for() -> None:
    """A foreign program is stopped at once."""
    world = World(tree(worker("a", heartbeat=Heartbeat(), program=Program(command=("run",))))).boot()
    world.tell(events.BeatMissed("a", 1, 5.0))

    assert commands.Signal("a", 1) in world.performed
    assert commands.DumpStacks("a", 1) not in world.performed


@pytest.mark.req("O3")
def test_restarts_asked_for_in_a_burst_all_succeed() -> None:
    """Each cuts the start of the one before; what came of the last answers all of them."""
    world = World(tree(worker("a"))).boot()
    world.script("a", *(Life(ready_after=1.0) for _ in range(8)))
    for number in range(6):
        world.tell(events.RestartAsked("a", f"r{number}"))
        world.run_for(0.3)
    world.run_for(10.0)

    assert sorted(reply.request for reply in world.replies) == [f"r{number}" for number in range(6)]
    assert {(reply.ok, reply.detail) for reply in world.replies} == {(True, "ready")}
    assert len(world.alive["a"]) == 1


@pytest.mark.req("O3")
@pytest.mark.parametrize("end", [events.StopAsked("a", "end"), events.ShutdownAsked()])
def test_burst_of_restarts_is_answered_also_when_a_stop_comes(end: events.Event) -> None:
    """Nothing waits for ever, and nothing spins: every request has one answer."""
    world = World(tree(worker("a"))).boot()
    world.script("a", *(Life(ready_after=1.0) for _ in range(8)))
    for number in range(4):
        world.tell(events.RestartAsked("a", f"r{number}"))
        world.run_for(0.3)
    world.tell(end)
    world.run_for(10.0)

    answered = [reply.request for reply in world.replies if reply.request != "end"]
    assert sorted(answered) == [f"r{number}" for number in range(4)]
    assert not world.alive["a"]
