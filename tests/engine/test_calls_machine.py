"""Whatever is called on a product tree while its children come and go: each call has one answer."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from supervisor.engine import commands, events
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import Backoff, Intensity, Restart, Strategy, SupervisorSpec, WorkerSpec
from tests.support.world import Life, World

STATIC = ("a", "c", "d")
ADDED = ("x", "y", "z")
WORKERS = (*STATIC, *ADDED)
SUPERVISORS = ("root", "pool", "g")

RESTARTS: st.SearchStrategy[Restart] = st.sampled_from(["permanent", "transient", "temporary"])
GROUPS: st.SearchStrategy[Strategy] = st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])
STATUSES = st.sampled_from([ExitStatus(code=0), ExitStatus(code=1), ExitStatus(signal="SIGKILL")])
LIVES = st.builds(
    Life,
    spawn=st.sampled_from(["ok", "ok", "ok", "no room"]),
    ready_after=st.sampled_from([0.0, 0.0, 1.0, None]),
    dies_after=st.sampled_from([None, None, 0.0, 0.5, 5.0]),
    status=STATUSES,
    stops_in=st.sampled_from([0.0, 0.0, 2.0, None]),
)


def worker(name: str, restart: Restart) -> WorkerSpec:
    """A worker that is judged soon."""
    return WorkerSpec(
        id=name,
        restart=restart,
        backoff=Backoff(initial=0.5, max=8.0, stable_after=10.0),
        intensity=Intensity(max_restarts=3, period=30.0),
        on_exhausted="escalate",
        shutdown=4.0,
        ready_timeout=3.0,
    )


@st.composite
def trees(draw: st.DrawFn) -> SupervisorSpec:
    """A worker, a pool and a group, under a root."""
    limits = Intensity(max_restarts=2, period=20.0)
    template = worker("template", draw(RESTARTS))
    pool = SupervisorSpec(id="pool", strategy="simple_one_for_one", template=template, intensity=limits)
    members = tuple(worker(name, draw(RESTARTS)) for name in ("c", "d"))
    nested = SupervisorSpec(id="g", strategy=draw(GROUPS), children=members, intensity=limits)
    first = worker("a", draw(RESTARTS))
    return SupervisorSpec(id="root", strategy=draw(GROUPS), children=(first, pool, nested), probe=30.0)


class AnyCalls(RuleBasedStateMachine):
    """A tree that is called from all sides, by programs and by people."""

    world: World
    requests = ordered = 0

    @initialize(tree=trees(), scripts=st.dictionaries(st.sampled_from(WORKERS), st.lists(LIVES, max_size=6)))
    def begin(self, tree: SupervisorSpec, scripts: dict[str, list[Life]]) -> None:
        self.world = World(tree)
        for child, lives in scripts.items():
            self.world.script(child, *lives)
        self.world.boot()

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 3.0, 10.0, 100.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.run_for(seconds)

    @rule(child=st.sampled_from(WORKERS), status=STATUSES)
    def die(self, child: str, status: ExitStatus) -> None:
        if self.world.alive[child]:
            self.world.crash(child, status)

    @rule(above=st.sampled_from(SUPERVISORS), child=st.sampled_from(ADDED), restart=RESTARTS)
    def start(self, above: str, child: str, restart: Restart) -> None:
        spec = child if above == "pool" else worker(child, restart)
        self.world.tell(events.StartChild(above, spec, self.request()))

    @rule(
        kind=st.sampled_from([events.TerminateChild, events.RestartChild, events.DeleteChild]),
        above=st.sampled_from(SUPERVISORS),
        child=st.sampled_from([*WORKERS, "pool", "g"]),
    )
    def call(self, kind: type[events.ChildCall], above: str, child: str) -> None:
        self.world.tell(kind(above, child, self.request()))

    @rule(above=st.sampled_from(SUPERVISORS))
    def ask(self, above: str) -> None:
        for question in (events.CountChildren, events.WhichChildren):
            request = self.request()
            self.world.tell(question(above, request))
            assert request in self.answers(), "a question is answered at once"

    @rule(child=st.sampled_from([*WORKERS, "pool", "g"]), stop=st.booleans())
    def order(self, child: str, *, stop: bool) -> None:
        self.ordered += 1
        self.world.tell((events.StopAsked if stop else events.RestartAsked)(child, f"o{self.ordered}"))

    @rule(above=st.sampled_from(["pool", "g"]))
    def kill(self, above: str) -> None:
        self.world.tell(events.SupervisorKilled(above))

    @invariant()
    def never_two_live_incarnations(self) -> None:
        assert all(len(alive) <= 1 for alive in self.world.alive.values())

    @invariant()
    def nothing_lives_outside_the_tree(self) -> None:
        assert {child for child, alive in self.world.alive.items() if alive} <= set(self.world.engine.ids())

    def teardown(self) -> None:
        """Left alone each call gets its one answer; told to stop everything ends."""
        if not hasattr(self, "world"):
            return
        self.world.run_for(3000.0)
        assert len(self.answers()) == len(set(self.answers())) == self.requests
        replies = [reply.request for reply in self.world.replies]
        assert len(replies) == len(set(replies)) == self.ordered
        self.world.tell(events.ShutdownAsked())
        self.world.run_for(100.0)
        assert self.world.exit_code is not None
        assert not any(self.world.alive.values())
        assert not self.world.unanswered_alarms()

    def request(self) -> str:
        """A new request."""
        self.requests += 1
        return f"r{self.requests}"

    def answers(self) -> list[str]:
        """The requests that were answered."""
        return [it.request for it in self.world.performed if isinstance(it, commands.Answer)]


AnyCalls.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAnyCalls = pytest.mark.req("S2")(AnyCalls.TestCase)
