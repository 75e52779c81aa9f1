"""A changed file: only what differs is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.engine import events
from supervisor.engine.changes import changes
from supervisor.engine.spec import Backoff, ChildSpec, Intensity, Program, SupervisorSpec, WorkerSpec
from tests.support.world import CRASH, Life, World


def worker(name: str, command: str = "run") -> WorkerSpec:
    """A worker that runs this command."""
    return WorkerSpec(id=name, program=Program(command=(command,)), backoff=Backoff(jitter=0.0))


def group(name: str, *children: ChildSpec, strategy: str = "one_for_one") -> SupervisorSpec:
    """A supervisor over these children."""
    return SupervisorSpec(id=name, children=children, strategy=strategy)  # type: ignore[arg-type]


def reload(world: World, spec: SupervisorSpec) -> str:
    """Reload and let everything settle; what was answered."""
    world.tell(events.TreeChanged(spec, "r"))
    world.run_for(10.0)
    return world.replies[-1].detail


@pytest.mark.req("S12")
def test_added_removed_and_changed_children_only() -> None:
    """a stays as it is, b is gone, c has a new process, d is there; nobody else noticed."""
    world = World(group("root", worker("a"), worker("b"), worker("c"))).boot()
    answer = reload(world, group("root", worker("a"), worker("c", "walk"), worker("d")))

    assert answer == "added: d; removed: b; changed: c"
    assert world.states() == {"a": "ready", "c": "ready", "d": "ready"}
    assert [world.view(name).incarnation for name in ("a", "c", "d")] == [1, 2, 1]
    assert world.alive["b"] == []
    assert world.view("c").restarts == 0


@pytest.mark.req("S12")
def test_policy_applies_without_a_new_process() -> None:
    """A longer backoff and another restart type: the process stays, the next death follows the new rules."""
    world = World(group("root", worker("a"))).boot()
    changed = replace(worker("a"), backoff=Backoff(initial=7.0, jitter=0.0))
    assert reload(world, group("root", changed)) == "adjusted: a"
    assert world.view("a").incarnation == 1
    world.crash("a", CRASH)

    assert world.view("a").next_start_at == world.now + 7.0


@pytest.mark.req("S12")
def test_unchanged_file_changes_nothing() -> None:
    """Said plainly, no event."""
    world = World(group("root", worker("a"))).boot()

    assert reload(world, group("root", worker("a"))) == "nothing changed"
    assert world.reported("reloaded") == []


@pytest.mark.req("S12")
def test_what_cannot_change_while_it_runs_is_refused_and_nothing_is_touched() -> None:
    """A child that moves to another group, a root with another strategy."""
    nested = group("g", worker("b"))
    world = World(group("root", worker("a"), nested)).boot()

    assert "a cannot change" in reload(world, group("root", group("g", worker("a"), worker("b"))))
    assert "strategy cannot change" in reload(
        world, group("root", worker("a"), nested, strategy="one_for_all")
    )
    assert [reply.ok for reply in world.replies] == [False, False]
    assert world.states() == {"a": "ready", "g": "ready", "b": "ready"}
    assert world.view("a").incarnation == 1


@pytest.mark.req("S12")
def test_group_with_another_strategy_starts_afresh() -> None:
    """Only that group."""
    world = World(group("root", worker("a"), group("g", worker("b"), worker("c")))).boot()
    shall = group("g", worker("b"), worker("c"), strategy="one_for_all")
    assert reload(world, group("root", worker("a"), shall)) == "changed: g"
    world.crash("b")
    world.run_for(10.0)

    assert world.view("a").incarnation == 1
    assert world.view("c").incarnation == 3, "one_for_all: it was restarted with its sibling"


@pytest.mark.req("S12")
def test_parked_child_with_a_mended_command_comes_back() -> None:
    """The usual case: it was parked, the file was mended, reload."""
    world = World(group("root", worker("a"), worker("b")))
    world.script("a", Life(spawn="no such program", permanent=True))
    world.boot()
    assert world.view("a").state == "parked"
    reload(world, group("root", worker("a", "mended"), worker("b")))

    assert world.view("a").state == "ready"


@pytest.mark.req("S12")
def test_child_that_an_operator_stopped_stays_down_when_its_command_changes() -> None:
    """The operator's wish outlives the file."""
    world = World(group("root", worker("a"))).boot()
    world.stop("a")
    world.run_for(1.0)
    reload(world, group("root", worker("a", "walk")))

    assert world.view("a").state == "stopped"


@pytest.mark.req("S12")
def test_removed_child_in_the_middle_of_its_start_is_gone() -> None:
    """It never got ready; nothing of it is left and nothing waits for it."""
    world = World(group("root", worker("a"), worker("b")))
    world.script("a", Life(ready_after=None, stops_in=1.0))
    world.boot().run_for(1.0)
    reload(world, group("root", worker("b")))

    assert world.states() == {"b": "ready"}
    assert not any(world.alive[name] for name in ("a",))


def test_differences_name_each_child_once() -> None:
    """Added, removed, changed and adjusted are disjoint."""
    old = group("root", worker("a"), worker("b"), group("g", worker("c")))
    new = group("root", worker("a", "x"), group("g", worker("c"), worker("d"), strategy="one_for_all"))
    found = changes(old, new)

    assert (found.added, found.removed, found.changed, found.adjusted) == (("d",), ("b",), ("a", "g"), ())


@pytest.mark.req("S12")
def test_member_of_a_group_that_is_being_removed_cannot_be_added_elsewhere() -> None:
    """Only the group counted as leaving: its members got a second process while the first one lived."""
    world = World(group("root", group("g", worker("a")))).boot()
    world.lives["a", 1] = Life(stops_in=3.0)
    world.tell(events.TreeChanged(group("root"), "r1"))

    world.tell(events.TreeChanged(group("root", worker("a")), "r2"))

    assert world.replies[-1].detail == "still being removed, try again when it is gone: a"
    assert len(world.alive["a"]) == 1
    world.run_for(3.0)
    assert reload(world, group("root", worker("a"))) == "added: a"


@pytest.mark.req("S12")
def test_reload_starts_nothing_beneath_a_group_whose_turn_has_not_come() -> None:
    """A changed worker in a group that waits for the one before it came up before its group."""
    late = group("g", worker("b"))
    world = World(group("root", worker("a"), late, strategy="rest_for_one"))
    world.script("a", Life(ready_after=5.0))
    world.boot()

    world.tell(events.TreeChanged(replace(world.engine._root.spec, children=(
        worker("a"), group("g", worker("b", "walk")))), "r"))  # fmt: skip

    assert world.alive["b"] == []
    world.run_for(5.0)
    assert (world.states(), len(world.alive["b"])) == ({"a": "ready", "g": "ready", "b": "ready"}, 1)


@pytest.mark.req("S12")
def test_child_removed_while_its_late_start_is_stopped_is_not_tried() -> None:
    """Nothing was left to cut: the failure posted a try behind the removal, and that ended the root."""
    late = replace(worker("a"), ready="message", ready_timeout=3.0, backoff=Backoff(initial=1.0, jitter=0.0))
    world = World(group("root", late, worker("b"), strategy="rest_for_one"))
    world.script("a", Life(ready_after=None, stops_in=2.0))
    world.boot().run_for(4.0)
    assert world.view("a").state == "stopping"

    reload(world, group("root", worker("b"), strategy="rest_for_one"))

    assert world.states() == {"b": "ready"}


@pytest.mark.req("S12")
def test_removal_that_the_end_of_its_group_overtakes_is_done_with_it() -> None:
    """Its turn never came: the child stayed in the list, and no later file could have it again."""
    world = World(group("root", group("g", worker("a"), worker("b"), strategy="one_for_all"))).boot()
    world.lives["b", 1] = Life(stops_in=2.0)
    world.tell(events.RestartAsked("b"))
    world.tell(events.TreeChanged(group("root", group("g", worker("b"), strategy="one_for_all")), "r1"))
    world.stop("g", "r2")
    world.run_for(10.0)

    assert world.states() == {"g": "stopped", "b": "stopped"}
    assert (
        reload(world, group("root", group("g", worker("b"), strategy="one_for_all"), worker("a")))
        == "added: a"
    )
    assert world.states() == {"g": "stopped", "b": "stopped", "a": "ready"}


@pytest.mark.req("S12")
def test_of_two_rebuildings_of_a_group_the_last_one_counts() -> None:
    """The first one, still waiting for its turn, undid the second when that came."""
    world = World(group("root", group("g", worker("a")))).boot()
    world.lives["a", 1] = Life(stops_in=2.0)
    world.tell(events.TreeChanged(group("root", group("g", worker("a"), strategy="one_for_all")), "r1"))
    world.run_for(1.0)

    reload(world, group("root", group("g", worker("a"), worker("b"))))

    assert world.states() == {"g": "ready", "a": "ready", "b": "ready"}
    assert reload(world, group("root", group("g", worker("a"), worker("b")))) == "nothing changed"


@pytest.mark.req("S12")
def test_member_that_a_rebuilding_drops_cannot_be_added_elsewhere_before() -> None:
    """It was neither leaving nor known to the new file: it got a second process."""
    world = World(group("root", group("g", worker("a"), worker("b")))).boot()
    world.lives["a", 1] = Life(stops_in=3.0)
    rebuilt = group("g", worker("b"), strategy="one_for_all")
    world.tell(events.TreeChanged(group("root", rebuilt), "r1"))

    world.tell(events.TreeChanged(group("root", rebuilt, worker("a")), "r2"))

    assert world.replies[-1].detail == "still being removed, try again when it is gone: a"
    world.run_for(3.0)
    assert reload(world, group("root", rebuilt, worker("a"))) == "added: a"
    assert len(world.alive["a"]) == 1


@pytest.mark.req("S12")
def test_group_that_is_removed_is_not_rebuilt_before() -> None:
    """A rebuilding that waited brought members to life whose ids the file had given away meanwhile."""
    world = World(group("root", worker("x"), group("g", worker("a")), strategy="rest_for_one"))
    world.script("x", Life(ready_after=5.0))
    world.boot()
    rebuilt = group("g", worker("b"), strategy="one_for_all")
    world.tell(events.TreeChanged(group("root", worker("x"), rebuilt, strategy="rest_for_one"), "r1"))
    world.tell(events.TreeChanged(group("root", worker("x"), strategy="rest_for_one"), "r2"))

    reload(world, group("root", worker("x"), worker("b"), strategy="rest_for_one"))

    assert world.states() == {"x": "ready", "b": "ready"}
    assert len(world.alive["b"]) == 1


@pytest.mark.req("S12")
def test_group_restarted_before_its_rebuilding_comes_up_as_it_shall_be() -> None:
    """It came up as it had been, members included that the file did not know any more."""
    world = World(group("root", worker("x"), group("g", worker("a")), strategy="rest_for_one")).boot()
    world.lives["x", 1] = Life(stops_in=2.0)
    world.tell(events.RestartAsked("x"))
    world.tell(events.RestartAsked("g"))
    rebuilt = group("g", worker("b"), strategy="one_for_all")

    reload(world, group("root", worker("x"), rebuilt, strategy="rest_for_one"))

    assert world.states() == {"x": "ready", "g": "ready", "b": "ready"}
    assert len(world.spawned_at["a"]) == 1
    assert world.reported("exited", child="g") == [("exited", "g")]


@pytest.mark.req("S12")
def test_children_that_change_places_stop_in_their_new_order() -> None:
    """Nothing else differed, so the file was said to be unchanged, and the order stayed the old one."""
    world = World(group("root", worker("a"), worker("b"))).boot()

    assert reload(world, group("root", worker("b"), worker("a"))) == "reordered: root"
    assert [view.id for view in world.engine.view(world.now)] == ["b", "a"]
    assert (world.view("a").incarnation, world.view("b").incarnation) == (1, 1)


@pytest.mark.req("S8")
@pytest.mark.req("S12")
def test_group_made_anew_by_its_parents_start_is_not_rebuilt_as_well() -> None:
    """Its rebuilding, still in the lane, replaced members that ran: no stop ended these any more."""
    inner = group("h", worker("a"), strategy="one_for_all")
    world = World(
        group("root", worker("x"), group("g", inner, strategy="one_for_all"), strategy="one_for_all")
    )
    world.script("x", Life(ready_after=None))
    world.boot()
    rebuilt = group("g", group("h", worker("a")), strategy="one_for_all")
    world.tell(events.TreeChanged(group("root", worker("x", "walk"), rebuilt, strategy="one_for_all"), "r"))
    world.run_for(10.0)
    assert set(world.states().values()) == {"ready"}

    world.tell(events.ShutdownAsked())
    world.run_for(10.0)

    assert world.exit_code == 0
    assert not any(world.alive.values())


@pytest.mark.req("S12")
def test_changed_child_that_others_wait_for_does_not_leave_them_waiting() -> None:
    """Its start failed, the change took the next try over, and the restart of its sibling was forgotten."""
    first = replace(worker("a"), shutdown=1.0)
    world = World(group("root", first, worker("b"), strategy="one_for_all")).boot()
    world.lives["a", 1] = Life(stops_in=None)
    world.script("a", Life(spawn="no room"))
    world.crash("b")
    changed = replace(worker("a", "walk"), shutdown=1.0)

    reload(world, group("root", changed, worker("b"), strategy="one_for_all"))

    assert world.states() == {"a": "ready", "b": "ready"}


@pytest.mark.req("S12")
@pytest.mark.req("O3")
def test_stop_outlives_a_reload_that_starts_the_group_before_the_turn_of_its_change() -> None:
    """A held sibling had it down; moved before that one it starts, but not who was stopped in it."""
    inner = group("inner", worker("e"), worker("f"))
    once = replace(worker("once"), restart="temporary")
    waiting = group("root", worker("a"), once, group("g", inner), strategy="rest_for_one")
    world = World(replace(waiting, intensity=Intensity(max_restarts=0, period=60.0))).boot()
    world.stop("f")
    world.run_for(0.0)
    world.crash("a")
    world.run_for(0.0)
    assert (world.states()["a"], world.states()["e"]) == ("held", "stopped")

    anew = replace(
        once, program=Program(command=("walk",))
    )  # its turn comes first, and ends with a start of g
    moved = group("g", replace(inner, strategy="rest_for_one"))
    reload(world, replace(waiting, children=(anew, moved, worker("a"))))

    assert (world.states()["e"], world.states()["f"]) == ("ready", "stopped")
    assert len(world.spawned_at["f"]) == 1
