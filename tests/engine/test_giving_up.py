"""When one_for_one gives up on a child: parked, held or the end of the tree, and what brings it back."""

from __future__ import annotations

import pytest

from supervisor.engine import events
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import Backoff, Intensity
from tests.engine.independent import tree, worker
from tests.support.world import Life, World

NEVER_READY = Life(ready_after=None)


@pytest.mark.req("S5")
def test_more_restarts_than_allowed_park_the_child_and_touch_nobody_else() -> None:
    """The fourth failure within the period parks; an alert goes out; the sibling runs on."""
    world = World(tree(worker("a"), worker("b"))).boot()
    for _ in range(4):
        world.crash("a")
        world.run_for(2.0)

    assert {"a": "parked", "b": "ready"} == world.states()
    assert [("parked", "a")] == world.reported("parked")
    world.run_for(3600.0)
    assert "parked" == world.view("a").state


@pytest.mark.req("S5")
def test_operators_start_brings_a_parked_child_back_with_clean_counters() -> None:
    """After the operator looked, the child has its whole intensity again."""
    world = World(tree(worker("a"))).boot()
    for _ in range(4):
        world.crash("a")
        world.run_for(2.0)
    world.tell(events.RestartAsked("a", "r1"))
    world.run_for(0.0)

    assert [("r1", True)] == [(reply.request, reply.ok) for reply in world.replies]
    assert ("ready", 0) == (world.view("a").state, world.view("a").restarts_in_window)


@pytest.mark.req("S5")
def test_warning_goes_out_at_ninety_percent_of_the_allowed_restarts() -> None:
    """With ten allowed, the ninth restart warns, once."""
    spec = worker("a", intensity=Intensity(max_restarts=10, period=600.0), max_consecutive_failures=None)
    world = World(tree(spec)).boot()
    for _ in range(8):
        world.crash("a")
        world.run_for(61.0)
    assert [] == world.reported("warning")
    world.crash("a")
    world.run_for(61.0)
    assert [("warning", "a")] == world.reported("warning")


@pytest.mark.req("S5")
def test_failures_without_a_stable_run_between_park_whatever_the_window_says() -> None:
    """A window that never fills does not hide a child that never works."""
    spec = worker("a", intensity=None, max_consecutive_failures=4, backoff=Backoff(max=30.0, jitter=0.0))
    world = World(tree(spec)).boot()
    for _ in range(5):
        world.crash("a")
        world.run_for(40.0)

    assert "parked" == world.view("a").state


@pytest.mark.req("S5")
def test_root_holds_a_child_that_escalates_and_probes_it_slowly() -> None:
    """One alert, the others run on, a try every five minutes; a stable probe ends the hold."""
    spec = worker("a", on_exhausted="escalate", intensity=Intensity(max_restarts=1, period=60.0))
    world = World(tree(spec, worker("b"))).boot()
    world.crash("a")
    world.run_for(0.0)
    world.script("a", Life(dies_after=1.0))
    world.crash("a")
    world.run_for(10.0)

    assert {"a": "held", "b": "ready"} == world.states()
    world.run_for(300.0)
    assert "held" == world.view("a").state, "the probe failed: held again"
    assert [("held", "a")] == world.reported("held")
    world.run_for(400.0)
    assert "ready" == world.view("a").state
    assert world.exit_code is None


@pytest.mark.req("S5")
def test_root_exits_where_the_file_says_so() -> None:
    """on_exhausted = "exit": everything stops in order and the exit code is 1."""
    world = World(
        tree(
            worker("a", intensity=None), intensity=Intensity(max_restarts=0, period=60.0), on_exhausted="exit"
        )
    )
    world.boot()
    world.crash("a")
    world.run_for(0.0)

    assert 1 == world.exit_code


@pytest.mark.req("S6")
@pytest.mark.parametrize("when", ["starting", "ready"])
def test_exit_code_78_parks_at_once(when: str) -> None:
    """A person must look: no loop, the reason is config."""
    world = World(tree(worker("a"), worker("b")))
    status = ExitStatus(code=78)
    world.script("a", Life(ready_after=None if when == "starting" else 0.0, dies_after=1.0, status=status))
    world.boot().run_for(100.0)

    assert {"a": "parked", "b": "ready"} == world.states()
    assert 1 == len(world.spawned_at["a"])
    assert ["config"] == [fact["reason"] for fact in world.facts("exited", "a")]
