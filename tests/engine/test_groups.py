"""Groups of a product tree, in simulated time: what is OTP's, and where a product tree differs."""

from __future__ import annotations

import pytest

from supervisor.engine import commands, events
from supervisor.engine.spec import Backoff, ChildSpec, Intensity, Strategy, SupervisorSpec, WorkerSpec
from tests.support.world import NORMAL, Life, World

SLOW = Backoff(initial=4.0, jitter=0.0)


def worker(name: str, **changes: object) -> WorkerSpec:
    """A worker with exact timing; ``changes`` replace fields."""
    return WorkerSpec(id=name, **{"backoff": Backoff(jitter=0.0), **changes})  # type: ignore[arg-type]


def group(name: str, strategy: Strategy, *children: ChildSpec, **changes: object) -> SupervisorSpec:
    """A supervisor of these children; ``changes`` replace fields."""
    return SupervisorSpec(id=name, strategy=strategy, children=children, **changes)  # type: ignore[arg-type]


def spawned(world: World) -> list[str]:
    """The children in the order of their spawns since the last boot or clear."""
    return [command.child for command in world.performed if isinstance(command, commands.Spawn)]


def signalled(world: World) -> list[str]:
    """The children in the order in which they were asked to stop."""
    return [command.child for command in world.performed if isinstance(command, commands.Signal)]


def lifeline(world: World, *names: str) -> list[tuple[str, str]]:
    """The starts and ends of these, in order."""
    return [pair for pair in world.reported("ready", "exited") if pair[1] in names]


@pytest.mark.req("S2")
def test_one_for_all_stops_siblings_at_once_waits_and_starts_all_in_order() -> None:
    """One dies: the others stop in reverse order now, the backoff passes, all start in order."""
    world = World(group("root", "one_for_all", worker("a"), worker("b", backoff=SLOW), worker("c"))).boot()
    world.performed.clear()
    world.crash("b")
    world.run_for(0.0)

    assert ["c", "a"] == signalled(world)
    assert {"a": "backoff", "b": "backoff", "c": "backoff"} == world.states()
    assert "b" == world.view("c").waiting_for
    world.run_for(3.9)
    assert [] == spawned(world)
    world.run_for(0.1)
    assert ["a", "b", "c"] == spawned(world)
    assert {"a": "ready", "b": "ready", "c": "ready"} == world.states()


@pytest.mark.req("S2")
def test_one_for_all_counts_the_one_that_failed_and_no_other() -> None:
    """The siblings of a child that failed did nothing wrong."""
    world = World(group("root", "one_for_all", worker("a"), worker("b"))).boot()
    world.crash("b")
    world.run_for(0.0)

    assert [(1, 1), (0, 0)] == [
        (world.view(name).restarts, world.view(name).consecutive_failures) for name in ("b", "a")
    ]
    assert ["restarted"] == [fact["reason"] for fact in world.facts("exited", "a")]


@pytest.mark.req("S2")
def test_rest_for_one_restarts_the_one_that_failed_and_those_after_it() -> None:
    """What started before it runs on; what came after stops in reverse and starts in order."""
    children = (worker("a"), worker("b"), worker("c"), worker("d"))
    world = World(group("root", "rest_for_one", *children)).boot()
    world.performed.clear()
    world.crash("b")
    world.run_for(0.0)

    assert ["d", "c"] == signalled(world)
    assert ["b", "c", "d"] == spawned(world)
    assert 1 == world.view("a").incarnation


@pytest.mark.req("S2")
def test_start_that_fails_in_a_group_is_tried_again_and_the_rest_waits_for_it() -> None:
    """A failed first start is a failure like any other: backoff, then the rest in order."""
    world = World(group("root", "rest_for_one", worker("a"), worker("b", backoff=SLOW), worker("c")))
    world.script("b", Life(spawn="no room"))
    world.boot()

    assert {"a": "ready", "b": "backoff", "c": "backoff"} == world.states()
    assert "b" == world.view("c").waiting_for
    world.run_for(4.0)
    assert ["a", "b", "b", "c"] == spawned(world)
    assert {"a": "ready", "b": "ready", "c": "ready"} == world.states()


@pytest.mark.req("S5")
def test_child_that_parks_in_a_group_does_not_keep_the_others_down() -> None:
    """Parked, it stays down; its siblings come back without it."""
    spec = worker("b", intensity=Intensity(max_restarts=0, period=60.0), on_exhausted="park")
    world = World(group("root", "one_for_all", worker("a"), spec, worker("c"))).boot()
    world.crash("b")
    world.run_for(100.0)

    assert {"a": "ready", "b": "parked", "c": "ready"} == world.states()


@pytest.mark.req("S2")
@pytest.mark.req("S5")
def test_nested_group_escalates_to_its_parent_which_restarts_it_whole() -> None:
    """More failures than the group may have: it stops in reverse, its parent counts one and starts it."""
    nested = group(
        "g", "one_for_one", worker("b"), worker("c"), intensity=Intensity(max_restarts=1, period=60.0)
    )
    world = World(group("root", "one_for_one", worker("a"), nested)).boot()
    for _ in range(2):
        world.crash("b")
        world.run_for(0.0)

    assert [("escalated", "b")] == world.reported("escalated")
    assert {"a": "ready", "g": "ready", "b": "ready", "c": "ready"} == world.states()
    assert (1, 1) == (world.view("g").restarts, world.view("g").restarts_in_window)
    assert [1, 2] == [world.view(name).incarnation for name in ("a", "c")]


@pytest.mark.req("S2")
def test_group_that_is_not_permanent_stays_down_after_it_gave_up() -> None:
    """Giving up is a normal end: a transient group is not wanted back, nobody else is touched."""
    limits = Intensity(max_restarts=0, period=60.0)
    nested = group("g", "one_for_one", worker("b"), intensity=limits, restart="transient")
    world = World(group("root", "one_for_one", worker("a"), nested)).boot()
    world.crash("b")
    world.run_for(1000.0)

    assert {"a": "ready", "g": "down", "b": "stopped"} == world.states()
    assert not world.view("g").wanted


@pytest.mark.req("S5")
def test_escalation_climbs_to_the_root_which_holds_the_group() -> None:
    """Where no parent has a restart left the root holds the group and tries it slowly."""
    limits = Intensity(max_restarts=0, period=60.0)
    inner = group("inner", "one_for_one", worker("b"), intensity=limits)
    outer = group("outer", "one_for_one", inner, intensity=limits)
    world = World(group("root", "one_for_one", worker("a"), outer, intensity=limits)).boot()
    world.crash("b")
    world.run_for(0.0)

    assert [("escalated", "b"), ("escalated", "inner")] == world.reported("escalated")
    assert [("held", "outer")] == world.reported("held")
    assert ("ready", "held") == (world.view("a").state, world.view("outer").state)
    world.run_for(300.0)
    assert {"ready"} == set(world.states().values())


@pytest.mark.req("S2")
def test_end_of_a_significant_child_shuts_its_group_down() -> None:
    """any_significant: the first end of one; the group's own end is normal."""
    job = worker("job", restart="transient", significant=True)
    nested = group("g", "one_for_one", job, worker("b"), auto_shutdown="any_significant", restart="transient")
    world = World(group("root", "one_for_one", worker("a"), nested)).boot()
    world.crash("job", NORMAL)
    world.run_for(0.0)

    assert ("ready", "down") == (world.view("a").state, world.view("g").state)
    assert ["normal"] == [fact["reason"] for fact in world.facts("exited", "g")]
    assert [] == world.reported("escalated")


@pytest.mark.req("S2")
def test_all_significant_waits_for_the_last_of_them() -> None:
    """Two jobs: the tree ends with the second, with exit code 0."""
    jobs = [worker(name, restart="transient", significant=True) for name in ("a", "b")]
    world = World(group("root", "one_for_one", *jobs, worker("c"), auto_shutdown="all_significant")).boot()
    world.crash("a", NORMAL)
    world.run_for(10.0)
    assert {"a": "down", "b": "ready", "c": "ready"} == world.states()
    world.crash("b", NORMAL)
    world.run_for(0.0)

    assert 0 == world.exit_code
    assert not any(world.alive.values())


@pytest.mark.req("S11")
def test_group_is_up_after_its_children_and_down_after_them() -> None:
    """Its start and its end are events of their own, in that order, with a reason."""
    nested = group("g", "rest_for_one", worker("b"), worker("c"))
    world = World(group("root", "one_for_one", worker("a"), nested)).boot()
    world.tell(events.ShutdownAsked())
    world.run_for(0.0)

    up = [("ready", "a"), ("ready", "b"), ("ready", "c"), ("ready", "g")]
    down = [("exited", "c"), ("exited", "b"), ("exited", "g"), ("exited", "a")]
    assert up + down == lifeline(world, "a", "b", "c", "g")
    assert ["stopped"] == [fact["reason"] for fact in world.facts("exited", "g")]


@pytest.mark.req("S8")
def test_shutdown_reaches_a_group_that_is_stopping_already() -> None:
    """A stop of the group, a hung child in it, then the stop of the tree: one orderly end."""
    nested = group("g", "one_for_all", worker("b"), worker("c"))
    world = World(group("root", "one_for_one", nested)).boot()
    world.tell(events.BeatMissed("b", 1, 5.0))
    world.stop("g", "r1")
    world.tell(events.ShutdownAsked())
    world.run_for(10.0)

    assert 0 == world.exit_code


@pytest.mark.req("S1")
def test_broker_that_takes_half_a_minute_to_stop_delays_nobody() -> None:
    """Beside a one_for_one child in a long stop, groups and workers are restarted at once."""
    broker = worker("broker", shutdown=60.0)
    nested = group("g", "one_for_all", worker("b"), worker("c"))
    world = World(group("root", "one_for_one", worker("a"), broker, nested))
    world.script("broker", Life(stops_in=30.0))
    world.boot()
    world.tell(events.RestartAsked("broker", "r"))
    world.crash("b")
    world.crash("a")
    world.run_for(0.0)

    states = {"a": "ready", "broker": "stopping", "g": "ready", "b": "ready", "c": "ready"}
    assert states == world.states()
    world.run_for(30.0)
    assert "ready" == world.view("broker").state


@pytest.mark.req("S1")
def test_group_that_gives_up_does_not_wait_for_a_start_in_it() -> None:
    """While one child is minutes from ready, another is one too many: the group ends now."""
    limits = Intensity(max_restarts=0, period=60.0)
    late = worker("late", ready_timeout=300.0)
    nested = group("g", "one_for_one", worker("b"), late, intensity=limits, restart="temporary")
    world = World(group("root", "one_for_one", nested))
    world.script("late", Life(ready_after=200.0))
    world.boot().run_for(1.0)
    world.crash("b")
    world.run_for(0.0)

    assert "down" == world.view("g").state
    assert not any(world.alive.values())


@pytest.mark.req("S2")
def test_killed_supervisor_takes_its_workers_with_it_and_is_restarted() -> None:
    """Its death is abnormal: a transient one comes back, after the last of its children is gone."""
    deep = group("deep", "one_for_one", worker("d"))
    nested = group("g", "one_for_one", worker("b"), deep, restart="transient")
    world = World(group("root", "one_for_one", worker("a"), nested)).boot()
    world.tell(events.SupervisorKilled("g"))
    world.run_for(0.0)

    assert commands.Kill("b", 1) in world.performed
    assert commands.Signal("d", 1) in world.performed
    assert {"ready"} == set(world.states().values())
    assert [1, 2, 2] == [world.view(name).incarnation for name in ("a", "b", "d")]
    assert ["killed"] == [fact["reason"] for fact in world.facts("exited", "g")]


@pytest.mark.req("S2")
def test_transient_sibling_stopped_with_its_group_is_wanted_back() -> None:
    """It obeyed with code 0, but that was no end of its own."""
    children = (worker("a", restart="transient"), worker("b", backoff=SLOW))
    world = World(group("root", "one_for_all", *children)).boot()
    world.crash("b")
    world.run_for(0.0)

    assert ("backoff", True) == (world.view("a").state, world.view("a").wanted)


@pytest.mark.req("O3")
def test_start_asked_of_a_group_that_is_starting_leaves_its_children_to_their_timeouts() -> None:
    """A child that never says ready is still timed and tried again: the wish cuts nothing short."""
    world = World(group("root", "one_for_one", group("g", "one_for_one", worker("c", ready_timeout=3.0))))
    world.script("c", Life(ready_after=None))
    world.boot()
    world.tell(events.StartAsked("g", "r"))
    world.run_for(10.0)

    assert world.view("c").state == "ready"
    assert [reply.ok for reply in world.replies] == [True]


@pytest.mark.req("S8")
def test_stop_of_a_restart_that_the_others_wait_for_lets_them_start() -> None:
    """They waited for its backoff; a restart ended that, a stop ended the restart, and nobody told them."""
    waiting = worker("a", backoff=SLOW)
    world = World(group("root", "rest_for_one", waiting, worker("b")))
    world.script("a", Life(spawn="no room"), Life(ready_after=None))
    world.boot()
    assert world.states() == {"a": "backoff", "b": "backoff"}

    world.tell(events.RestartAsked("a"))
    world.stop("a")
    world.run_for(1.0)

    assert world.states() == {"a": "stopped", "b": "ready"}


@pytest.mark.req("S8")
def test_start_of_a_group_reaches_what_is_parked_at_any_depth() -> None:
    """It was forgiven, and so parked no more, and nobody started it."""
    bad = worker("a", intensity=Intensity(max_restarts=0, period=10.0), on_exhausted="park")
    world = World(
        group("root", "one_for_one", group("g", "one_for_one", group("h", "one_for_one", bad)))
    ).boot()
    world.crash("a")
    assert world.states()["a"] == "parked"

    world.tell(events.StartAsked("g", "r"))
    world.run_for(1.0)

    assert world.states()["a"] == "ready"


@pytest.mark.req("S3")
def test_start_of_a_group_reaches_who_was_added_while_it_waited_for_its_turn() -> None:
    """It meant those that were there when it was asked: whoever came meanwhile was down for ever."""
    world = World(group("root", "one_for_one", group("g", "one_for_all", worker("a"))))
    world.script("a", Life(), Life(spawn="no room"))
    world.script("slow", Life(ready_after=2.0))
    world.boot()
    world.tell(events.StartChild("g", worker("slow"), "1"))
    world.tell(events.StartChild("g", worker("late"), "2"))
    world.crash("a")
    world.tell(events.StartAsked("g"))
    world.run_for(10.0)

    assert world.states() == {"g": "ready", "a": "ready", "slow": "ready", "late": "ready"}
