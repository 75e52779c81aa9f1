"""Who asks is answered, and once, whatever becomes of the tree meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from supervisor.engine import commands, events
from supervisor.engine.spec import Backoff, SupervisorSpec, WorkerSpec
from tests.support.world import Life, World

A_DELAY = Backoff(initial=10.0, jitter=0.0)


def waiting_for_a() -> World:
    """A group in which ``b`` and ``c`` wait for ``a``, which is in backoff; ``b`` will take its time."""
    children = (WorkerSpec(id="a", backoff=A_DELAY), WorkerSpec(id="b"), WorkerSpec(id="c"))
    group = SupervisorSpec(id="g", strategy="rest_for_one", restart="temporary", children=children)
    world = World(SupervisorSpec(id="root", children=(group,)))
    world.script("b", Life(), Life(ready_after=5.0))
    world.boot()
    world.crash("a")
    world.run_for(0.0)
    assert world.states() == {"g": "ready", "a": "backoff", "b": "backoff", "c": "backoff"}
    return world


ASKED: dict[str, Callable[[], events.Event]] = {
    "stop": lambda: events.StopAsked("a", "r"),
    "start": lambda: events.StartAsked("a", "r"),
    "terminate": lambda: events.TerminateChild("g", "a", "r"),
}


@pytest.mark.req("S8")
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_request_that_was_done_is_not_answered_again_when_its_supervisor_is_lost(
    asked: Callable[[], events.Event],
) -> None:
    """The answer was given, the others were being started because of it, and the group was killed."""
    world = waiting_for_a()
    world.tell(asked())
    world.run_for(0.0)
    assert world.states()["b"] == "starting"
    world.tell(events.SupervisorKilled("g"))
    world.run_for(1.0)

    assert [True] == verdicts(world, "r")
    assert not any(world.alive.values())


@pytest.mark.req("S8")
def test_restart_that_another_one_overtook_is_answered_when_its_supervisor_is_lost() -> None:
    """It was cut short and joined the wish that came after it, which then was lost with the group."""
    children = (WorkerSpec(id="a"), WorkerSpec(id="b"))
    group = SupervisorSpec(id="g", strategy="one_for_all", restart="temporary", children=children)
    world = World(SupervisorSpec(id="root", children=(group,))).boot()
    world.script("a", Life(ready_after=None, stops_in=3.0))
    world.tell(events.RestartAsked("a", "first"))
    world.run_for(0.0)
    world.tell(events.RestartAsked("a", "second"))
    world.run_for(0.0)
    assert [] == world.replies
    world.tell(events.SupervisorKilled("g"))
    world.run_for(1.0)

    assert [False] == verdicts(world, "first") == verdicts(world, "second")


@pytest.mark.req("S8")
def test_tree_that_has_ended_does_not_end_again() -> None:
    """It gave up by itself; who then asks for its end has it already, and so has a second start."""
    last = WorkerSpec(id="a", restart="temporary", significant=True)
    world = World(SupervisorSpec(id="root", auto_shutdown="any_significant", children=(last,))).boot()
    world.crash("a")
    world.tell(events.ShutdownAsked(3))
    world.boot()

    assert [commands.Exit(0)] == [it for it in world.performed if isinstance(it, commands.Exit)]
    assert ["a"] == [it.child for it in world.performed if isinstance(it, commands.Spawn)]


def verdicts(world: World, request: str) -> list[bool]:
    """Every answer to a request: whether it was done."""
    replies = [it.ok for it in world.replies if it.request == request]
    answers = [
        it.result for it in world.performed if isinstance(it, commands.Answer) and it.request == request
    ]
    return [*replies, *(result.error is None for result in answers)]
