"""The calls of a supervisor in a product tree: pools, children added and taken away while it runs."""

from __future__ import annotations

import pytest

from supervisor.engine import commands, events
from supervisor.engine.commands import CallResult, Counts, ListedChild
from supervisor.engine.spec import Backoff, Intensity, Program, Restart, Strategy, SupervisorSpec, WorkerSpec
from tests.support.world import NORMAL, Life, World

PERIOD = 60.0


def pool(restart: Restart = "permanent", *, shutdown: float = 5.0, max_restarts: int = 3) -> SupervisorSpec:
    """A root with one pool in it."""
    template = WorkerSpec(
        id="template",
        restart=restart,
        shutdown=shutdown,
        backoff=Backoff(jitter=0.0),
        intensity=Intensity(max_restarts=max_restarts, period=PERIOD),
    )
    spec = SupervisorSpec(id="pool", strategy="simple_one_for_one", template=template)
    return SupervisorSpec(id="root", children=(spec,))


def flat(strategy: Strategy = "one_for_one") -> SupervisorSpec:
    """A root with two workers."""
    return SupervisorSpec(id="root", strategy=strategy, children=(WorkerSpec(id="a"), WorkerSpec(id="b")))


def call(world: World, event: events.Call) -> CallResult | None:
    """Make a call and let everything that takes no time happen; its answer, if there is one."""
    world.tell(event)
    world.run_for(0.0)
    return answer(world, event.request)


def answer(world: World, request: str) -> CallResult | None:
    """The one answer to a request, if there is one."""
    answers = [it for it in world.performed if isinstance(it, commands.Answer) and it.request == request]
    assert len(answers) <= 1
    return answers[0].result if answers else None


def start(world: World, *names: str) -> None:
    """Start instances in the pool."""
    for name in names:
        assert CallResult() == call(world, events.StartChild("pool", name, f"start {name}"))


@pytest.mark.req("S2")
def test_instance_may_run_something_else_than_the_template() -> None:
    """Its own program is that of its restarts too; all else is the template's."""
    world = World(pool()).boot()
    own = Program(start="m:f", config={"n": 1})
    assert CallResult() == call(world, events.StartChild("pool", "x", "r", own))
    world.crash("x")
    world.run_for(1.0)
    start(world, "y")
    spawned = [(it.child, it.spec.program) for it in world.performed if isinstance(it, commands.Spawn)]

    assert [("x", own), ("x", own), ("y", Program())] == spawned


@pytest.mark.req("S2")
def test_pool_starts_instances_of_its_template_by_name() -> None:
    """Each has its own process and is listed under its id; the specification counts once."""
    world = World(pool()).boot()
    start(world, "x", "y")

    assert {"pool": "ready", "x": "ready", "y": "ready"} == world.states()
    counted = call(world, events.CountChildren("pool", "c"))
    assert CallResult(counts=Counts(specs=1, active=2, supervisors=0, workers=2)) == counted
    listed = call(world, events.WhichChildren("pool", "w"))
    expected = tuple(ListedChild(name, "running", "worker") for name in ("y", "x"))
    assert CallResult(which=expected) == listed


@pytest.mark.req("S2")
def test_instances_do_not_wait_for_each_other() -> None:
    """One takes half a minute to stop and one to start: a third is restarted at once."""
    world = World(pool(shutdown=60.0)).boot()
    world.script("slow", Life(stops_in=30.0))
    world.script("late", Life(ready_after=20.0))
    start(world, "slow", "x")
    assert call(world, events.StartChild("pool", "late", "late")) is None
    assert call(world, events.TerminateChild("pool", "slow", "stop")) is None
    world.crash("x")
    world.run_for(0.0)

    assert ("stopping", "starting", "ready") == tuple(world.view(it).state for it in ("slow", "late", "x"))
    world.run_for(30.0)
    assert [CallResult(), CallResult()] == [answer(world, "late"), answer(world, "stop")]
    assert {"pool": "ready", "x": "ready", "late": "ready"} == world.states()


@pytest.mark.req("S2")
def test_each_instance_has_its_own_backoff_and_intensity() -> None:
    """One that keeps failing is parked; its siblings and the pool are not touched."""
    world = World(pool(max_restarts=1)).boot()
    start(world, "x", "y")
    for _ in range(2):
        world.crash("x")
        world.run_for(2.0)

    assert {"pool": "ready", "x": "parked", "y": "ready"} == world.states()


@pytest.mark.req("S2")
@pytest.mark.parametrize("restart", ["transient", "temporary"])
def test_instance_that_ends_and_is_not_restarted_disappears(restart: Restart) -> None:
    """Nothing is left of it, and its name is free."""
    world = World(pool(restart)).boot()
    start(world, "x")
    world.crash("x", NORMAL)
    world.run_for(0.0)

    assert {"pool": "ready"} == world.states()
    assert CallResult() == call(world, events.StartChild("pool", "x", "again"))
    assert 2 == world.view("x").incarnation
    world.run_for(1000.0)
    assert {"pool": "ready", "x": "ready"} == world.states()


@pytest.mark.req("S2")
def test_instances_are_stopped_all_at_once() -> None:
    """Three that take ten seconds each are gone after ten."""
    world = World(pool(shutdown=30.0)).boot()
    for name in ("x", "y", "z"):
        world.script(name, Life(stops_in=10.0))
    start(world, "x", "y", "z")
    world.tell(events.ShutdownAsked())
    world.run_for(10.0)

    assert 0 == world.exit_code


@pytest.mark.req("S2")
def test_thousand_instances_come_and_go_without_a_trace() -> None:
    """What a pool has finished takes no room: the ids are free, no alarm is left."""
    world = World(pool("temporary")).boot()
    for number in range(1000):
        start(world, f"job {number}")
        world.crash(f"job {number}", NORMAL)
        world.run_for(0.0)

    assert {"pool": "ready"} == world.states()
    assert ("pool",) == world.engine.ids()
    assert set() == world.unanswered_alarms()


@pytest.mark.req("S2")
def test_instance_whose_first_start_fails_is_not_kept() -> None:
    """The caller is told; it is the caller's to try again."""
    world = World(pool()).boot()
    world.script("x", Life(spawn="no room"))

    failed = CallResult(error="start_failed", failed_path=("x",))
    assert failed == call(world, events.StartChild("pool", "x", "1"))
    assert {"pool": "ready"} == world.states()
    assert CallResult() == call(world, events.StartChild("pool", "x", "2"))


@pytest.mark.req("S2")
@pytest.mark.parametrize(
    ("event", "error"),
    [
        (events.StartChild("nobody", "x", "r"), "noproc"),
        (events.StartChild("pool", "x", "r"), "already_started"),
        (events.StartChild("pool", WorkerSpec(id="w"), "r"), "simple_one_for_one"),
        (events.StartChild("root", "w", "r"), "not_found"),
        (events.StartChild("root", WorkerSpec(id="x"), "r"), "id_in_use"),
        (events.StartChild("root", WorkerSpec(id="w", significant=True), "r"), "bad_combination"),
        (events.TerminateChild("pool", "w", "r"), "not_found"),
        (events.RestartChild("pool", "x", "r"), "simple_one_for_one"),
        (events.DeleteChild("pool", "x", "r"), "simple_one_for_one"),
        (events.DeleteChild("root", "pool", "r"), "running"),
        (events.RestartChild("root", "pool", "r"), "running"),
    ],
)
def test_call_that_makes_no_sense_is_refused_and_changes_nothing(event: events.Call, error: str) -> None:
    """The answer names OTP's error."""
    world = World(pool()).boot()
    start(world, "x")
    before = world.states()
    result = call(world, event)

    assert result is not None
    assert error == result.error
    assert before == world.states()


@pytest.mark.req("S2")
def test_wrong_nested_specification_is_refused_before_anything_starts() -> None:
    """A product tree looks into the whole of it first."""
    world = World(flat()).boot()
    inner = SupervisorSpec(id="in", intensity=Intensity(max_restarts=-1, period=1))
    spec = SupervisorSpec(id="out", children=(WorkerSpec(id="w"), inner))
    result = call(world, events.StartChild("root", spec, "r"))

    assert CallResult(error="invalid_intensity") == result
    assert [] == world.spawned_at["w"]


@pytest.mark.req("S2")
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_child_added_to_a_running_supervisor_is_one_of_its_children(strategy: Strategy) -> None:
    """It is last in start order, restarted like the others, stopped, started again, and deleted."""
    world = World(flat(strategy)).boot()
    assert CallResult() == call(world, events.StartChild("root", WorkerSpec(id="c"), "1"))
    assert ("a", "b", "c") == world.engine.ids()
    world.crash("c")
    world.run_for(0.0)
    assert "ready" == world.view("c").state
    assert CallResult() == call(world, events.TerminateChild("root", "c", "2"))
    assert ("stopped", False) == (world.view("c").state, world.view("c").wanted)
    assert CallResult() == call(world, events.RestartChild("root", "c", "3"))
    assert "ready" == world.view("c").state
    assert CallResult() == call(world, events.TerminateChild("root", "c", "4"))
    assert CallResult() == call(world, events.DeleteChild("root", "c", "5"))

    assert {"a": "ready", "b": "ready"} == world.states()


@pytest.mark.req("S2")
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all"])
def test_order_that_comes_after_a_deletion_starts_no_orphan(strategy: Strategy) -> None:
    """Stop, delete, start in one breath: the start is refused, no process is left."""
    world = World(flat(strategy))
    world.script("b", Life(stops_in=3.0))
    world.boot()
    world.tell(events.TerminateChild("root", "b", "1"))
    world.tell(events.DeleteChild("root", "b", "2"))
    world.tell(events.StartAsked("b", "3"))
    world.run_for(10.0)

    assert [CallResult(), CallResult()] == [answer(world, "1"), answer(world, "2")]
    assert [False] == [reply.ok for reply in world.replies]
    assert {"a": "ready"} == world.states()
    assert [] == world.alive["b"]


@pytest.mark.req("S2")
def test_call_to_a_supervisor_on_its_way_down_is_answered() -> None:
    """terminated: it ended before it could."""
    world = World(pool(shutdown=30.0)).boot()
    world.script("x", Life(stops_in=10.0))
    start(world, "x")
    world.tell(events.ShutdownAsked())

    assert CallResult(error="terminated") == call(world, events.StartChild("pool", "y", "late"))


@pytest.mark.req("S2")
def test_restarted_pool_begins_empty_and_a_restarted_group_with_its_own_children() -> None:
    """Children added later are lost, deleted ones are back: a fresh start from the specification."""
    nested = SupervisorSpec(id="g", children=(WorkerSpec(id="c"), WorkerSpec(id="d")))
    spec = SupervisorSpec(id="root", children=(*pool().children, nested))
    world = World(spec).boot()
    start(world, "x")
    call(world, events.StartChild("g", WorkerSpec(id="e"), "1"))
    call(world, events.TerminateChild("g", "c", "2"))
    call(world, events.DeleteChild("g", "c", "3"))
    for name in ("pool", "g"):
        world.tell(events.RestartAsked(name, name))
    world.run_for(0.0)

    assert {"pool": "ready", "g": "ready", "c": "ready", "d": "ready"} == world.states()
    assert sum(map(len, world.alive.values())) == 2


@pytest.mark.req("S8")
def test_stop_wins_over_a_restart_that_was_called_before_it() -> None:
    """The call waited in the lane; when its turn came it started what nobody wanted any more."""
    world = World(flat()).boot()
    world.lives["a", 1] = Life(stops_in=2.0)
    world.tell(events.RestartAsked("a"))
    world.tell(events.RestartChild("root", "a", "r"))
    world.tell(events.StopAsked("a"))
    world.run_for(5.0)

    assert answer(world, "r") == CallResult(error="terminated")
    assert (world.view("a").state, len(world.spawned_at["a"])) == ("stopped", 1)


@pytest.mark.req("S5")
def test_refused_restart_of_a_group_unparks_nobody() -> None:
    """What was parked beneath was forgiven by a call that did nothing, and stayed down for no reason."""
    bad = WorkerSpec(id="a", intensity=Intensity(max_restarts=0, period=10.0), on_exhausted="park")
    world = World(SupervisorSpec(id="root", children=(SupervisorSpec(id="g", children=(bad,)),))).boot()
    world.crash("a")

    assert call(world, events.RestartChild("root", "g", "r")) == CallResult(error="running")
    assert world.states()["a"] == "parked"


@pytest.mark.req("S8")
def test_stop_wins_over_a_restart_by_call_that_is_under_way() -> None:
    """The call had its turn and waited for the old process to go; then it started a new one all the same."""
    world = World(flat()).boot()
    world.script("a", Life(ready_after=None, stops_in=2.0))
    world.tell(events.RestartAsked("a"))
    world.run_for(1.0)
    world.tell(events.RestartChild("root", "a", "c"))
    world.tell(events.RestartAsked("a"))
    world.run_for(1.0)
    world.stop("a")
    world.run_for(10.0)

    assert world.view("a").state == "stopped"
    assert answer(world, "c") == CallResult(error="terminated")


@pytest.mark.req("S2")
def test_deletion_of_a_held_child_lets_those_start_that_waited_for_it() -> None:
    """It was forgotten that it had been held, and the others waited for nobody for ever."""
    tree = SupervisorSpec(
        id="root",
        strategy="rest_for_one",
        intensity=Intensity(max_restarts=0, period=PERIOD),
        children=(WorkerSpec(id="a"), WorkerSpec(id="b")),
    )
    world = World(tree).boot()
    world.crash("a")
    world.run_for(0.0)
    assert world.states() == {"a": "held", "b": "backoff"}

    assert CallResult() == call(world, events.DeleteChild("root", "a", "r"))
    assert world.states() == {"b": "ready"}


@pytest.mark.req("S2")
def test_termination_of_a_restart_that_the_others_wait_for_lets_them_start() -> None:
    """A restart ended its being held, the termination ended the restart, and nobody told the others."""
    tree = SupervisorSpec(
        id="root",
        strategy="rest_for_one",
        intensity=Intensity(max_restarts=0, period=PERIOD),
        children=(WorkerSpec(id="a"), WorkerSpec(id="b")),
    )
    world = World(tree)
    world.script("a", Life(), Life(ready_after=None))
    world.boot()
    world.crash("a")
    world.run_for(0.0)
    world.tell(events.RestartAsked("a"))
    assert CallResult() == call(world, events.TerminateChild("root", "a", "r"))

    assert world.states() == {"a": "stopped", "b": "ready"}
