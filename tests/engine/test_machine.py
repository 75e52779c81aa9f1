"""Whatever happens to a product tree, in whatever order: the promises of the engine hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from supervisor.engine import commands, events
from supervisor.engine.changes import specs_beneath
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import Backoff, Heartbeat, Intensity, Strategy, SupervisorSpec, WorkerSpec
from tests.support.world import Life, World

IDS = ("a", "b", "c", "d")
ALL = (*IDS, "group")

STATUSES = st.sampled_from(
    [
        ExitStatus(code=0),
        ExitStatus(code=1),
        ExitStatus(code=78),
        ExitStatus(signal="SIGKILL"),
        ExitStatus(signal="SIGKILL", cause="forkserver"),
    ]
)
LIVES = st.builds(
    Life,
    spawn=st.sampled_from(["ok", "ok", "ok", "no room"]),
    ready_after=st.sampled_from([0.0, 0.0, 1.0, None]),
    dies_after=st.sampled_from([None, None, 0.0, 0.5, 5.0]),
    status=STATUSES,
    stops_in=st.sampled_from([0.0, 0.0, 2.0, None]),
)


def worker(draw: st.DrawFn, name: str) -> WorkerSpec:
    """A worker with random policy."""
    return WorkerSpec(
        id=name,
        restart=draw(st.sampled_from(["permanent", "permanent", "transient", "temporary"])),
        backoff=Backoff(initial=draw(st.sampled_from([0.0, 0.5])), max=8.0, stable_after=10.0),
        intensity=draw(st.sampled_from([None, Intensity(max_restarts=3, period=30.0)])),
        on_exhausted=draw(st.sampled_from(["park", "escalate"])),
        shutdown=draw(st.sampled_from([1.0, 4.0, "brutal_kill"])),
        ready_timeout=3.0,
        heartbeat=Heartbeat(),
        max_runtime=draw(st.sampled_from([0.0, 0.0, 40.0])),
    )


@st.composite
def trees(draw: st.DrawFn) -> SupervisorSpec:
    """Two workers and a group of two, under a root."""
    strategy: st.SearchStrategy[Strategy] = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])
    group = SupervisorSpec(
        id="group",
        strategy=draw(strategy),
        children=(worker(draw, "c"), worker(draw, "d")),
        intensity=Intensity(max_restarts=2, period=20.0),
    )
    return SupervisorSpec(
        id="root",
        strategy=draw(strategy),
        children=(worker(draw, "a"), group, worker(draw, "b")),
        intensity=Intensity(max_restarts=5, period=60.0),
        probe=30.0,
    )


class AnyTree(RuleBasedStateMachine):
    """A random tree in a random world, commanded by a restless operator."""

    world: World
    requests = 0

    @initialize(tree=trees(), scripts=st.dictionaries(st.sampled_from(IDS), st.lists(LIVES, max_size=8)))
    def begin(self, tree: SupervisorSpec, scripts: dict[str, list[Life]]) -> None:
        self.world, self.file = World(tree), tree
        self.stopped: dict[str, int] = {}
        self.ending = False
        for child, lives in scripts.items():
            self.world.script(child, *lives)
        self.world.boot()

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 3.0, 10.0, 100.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.run_for(seconds)

    @rule(child=st.sampled_from(IDS), status=STATUSES)
    def die(self, child: str, status: ExitStatus) -> None:
        if self.world.alive[child]:
            self.world.crash(child, status)

    @rule(child=st.sampled_from(IDS))
    def hang(self, child: str) -> None:
        if self.world.alive[child]:
            self.world.tell(events.BeatMissed(child, self.world.alive[child][-1], 5.0))

    @rule(child=st.sampled_from(IDS), incarnation=st.integers(0, 5))
    def lie(self, child: str, incarnation: int) -> None:
        """Something is said by an incarnation that may never have been."""
        if incarnation not in self.world.alive[child]:
            self.world.tell(events.Ready(child, incarnation))
            self.world.tell(events.Exited(child, incarnation, ExitStatus(code=1)))

    @rule(child=st.sampled_from(ALL), ask=st.sampled_from(["stop", "start", "restart"]))
    def command(self, child: str, ask: str) -> None:
        self.requests += 1
        asked: dict[str, type[events.StopAsked | events.StartAsked | events.RestartAsked]] = {
            "stop": events.StopAsked,
            "start": events.StartAsked,
            "restart": events.RestartAsked,
        }
        event = asked[ask]
        self.world.tell(event(child, f"r{self.requests}"))
        if ask == "stop" and child in self.world.engine.ids():
            self.stopped[child] = len(self.world.spawned_at[child])
        else:
            self.stopped.pop(child, None)

    @rule(tree=trees(), without=st.sampled_from([None, *ALL]))
    def reload(self, tree: SupervisorSpec, without: str | None) -> None:
        """The file has changed: other policies, other strategies, perhaps a child less."""
        self.requests += 1
        kept = tuple(child for child in tree.children if child.id != without)
        gone = {without, "c", "d"} if without == "group" else {without}
        self.stopped = {child: times for child, times in self.stopped.items() if child not in gone}
        changed = replace(tree, children=kept)
        request = f"r{self.requests}"
        self.world.tell(events.TreeChanged(changed, request))
        # Another request may be answered, and refused, because of the reload.
        if any(reply.ok for reply in self.world.replies if reply.request == request):
            self.file = changed

    @rule()
    def kill_the_group(self) -> None:
        self.world.tell(events.SupervisorKilled("group"))

    @rule()
    def shut_down(self) -> None:
        self.ending = True
        self.world.tell(events.ShutdownAsked())

    @invariant()
    def never_two_live_incarnations(self) -> None:
        assert all(len(alive) <= 1 for alive in self.world.alive.values())

    @invariant()
    def nothing_lives_outside_the_tree(self) -> None:
        assert {child for child, alive in self.world.alive.items() if alive} <= set(self.world.engine.ids())

    @invariant()
    def ends_once(self) -> None:
        assert sum(isinstance(it, commands.Exit) for it in self.world.performed) <= 1

    @invariant()
    def after_a_stop_no_start(self) -> None:
        for child, spawned in self.stopped.items():
            if child in IDS:
                assert len(self.world.spawned_at[child]) <= spawned

    def teardown(self) -> None:
        """Left alone for long enough, everything comes to rest, and every request has its answer."""
        if not hasattr(self, "world"):
            return
        if not self.ending:
            self.world.run_for(3000.0)
            self._rests_in_a_state_that_can_be_explained()
            assert self.world.engine.ids() == tuple(child.id for child in specs_beneath(self.file))
            self.world.tell(events.ShutdownAsked())
        self.world.run_for(100.0)
        assert self.world.exit_code is not None
        assert not any(self.world.alive.values())
        assert len(self.world.replies) == len({reply.request for reply in self.world.replies})
        assert len(self.world.replies) == self.requests
        assert not self.world.unanswered_alarms()

    def _rests_in_a_state_that_can_be_explained(self) -> None:
        for view in self.world.engine.view(self.world.now):
            allowed = {"ready", "parked", "held", "down", "stopped", "backoff", "starting"}
            if view.wanted and view.waiting_for is None:
                allowed -= {"stopped", "starting"}
            assert view.state in allowed, (view.id, view.state)
            if view.state == "backoff" and view.waiting_for is None:
                assert view.next_start_at is not None, view.id


AnyTree.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestAnyTree = pytest.mark.req("S1")(pytest.mark.req("S8")(AnyTree.TestCase))


def test_every_command_names_a_living_incarnation() -> None:
    """Signals and kills are only ever sent to a process that was spawned."""
    world = World(SupervisorSpec(id="root", children=(WorkerSpec(id="a"),))).boot()
    world.crash("a")
    world.run_for(0.0)
    world.tell(events.ShutdownAsked())
    spawned = {(c.child, c.incarnation) for c in world.performed if isinstance(c, commands.Spawn)}
    asked = {(c.child, c.incarnation) for c in world.performed if isinstance(c, commands.Signal)}

    assert asked <= spawned
