"""A simulated world for the engine: it owns the clock, performs commands, and jumps to the next deadline.

Children are puppets. Each start of a child takes the next :class:`Life` of its script; when the script is
used up the child lives on happily.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

from supervisor.engine import commands, events
from supervisor.engine.engine import Engine
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import SupervisorSpec
from supervisor.engine.view import ChildView

CRASH = ExitStatus(code=1)
NORMAL = ExitStatus(code=0)
KILLED = ExitStatus(signal="SIGKILL")


@dataclass(frozen=True, kw_only=True)
class Life:
    """One incarnation of a puppet. Times are seconds after the one before; None: never."""

    spawn: str = "ok"
    """``ok``, or the sentence with which spawning fails."""
    permanent: bool = False
    ready_after: float | None = 0.0
    dies_after: float | None = None
    """Counted from the spawn."""
    status: ExitStatus = CRASH
    stops_in: float | None = 0.0
    """How long it takes to obey SIGTERM; None: it ignores it."""


HAPPY = Life()


class World:
    """Drives one engine. ``history`` holds every report as (time, event, child)."""

    def __init__(self, tree: SupervisorSpec, *, uniform: float = 0.0, otp: bool = False) -> None:
        self.engine = Engine(tree, uniform=lambda: uniform, otp=otp)
        self.now = 1000.0
        self.scripts: dict[str, deque[Life]] = defaultdict(deque)
        self.lives: dict[tuple[str, int], Life] = {}
        self.alive: dict[str, list[int]] = defaultdict(list)
        self.reports: list[tuple[float, commands.Report]] = []
        self.replies: list[commands.Reply] = []
        self.spawned_at: dict[str, list[float]] = defaultdict(list)
        self.performed: list[commands.Command] = []
        self.exit_code: int | None = None
        self._order = itertools.count()
        self._pids = itertools.count(100)
        self._due: list[tuple[float, int, events.Event]] = []
        self._armed: set[events.Timer] = set()

    # What a test does.

    def script(self, child: str, *lives: Life) -> None:
        """The lives of the child's next incarnations."""
        self.scripts[child].extend(lives)

    def boot(self) -> World:
        """Start the tree and let everything that takes no time happen."""
        self.tell(events.Boot())
        return self.run_for(0.0)

    def tell(self, event: events.Event) -> None:
        """Give the engine an event now and perform what it answers."""
        for command in self.engine.handle(event, self.now):
            self.performed.append(command)
            self._perform(command)

    def crash(self, child: str, status: ExitStatus = CRASH) -> None:
        """End the child's process by itself."""
        self._exit(child, self.alive[child][-1], status)

    def stop(self, child: str, request: str | None = None) -> None:
        """An operator stops the child."""
        self.tell(events.StopAsked(child, request))

    def run_for(self, seconds: float) -> World:
        """Let time pass, jumping from one due event to the next."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            at, _, event = heapq.heappop(self._due)
            self.now = max(self.now, at)
            if isinstance(event, events.TimerFired):
                if event.timer not in self._armed:
                    continue
                self._armed.discard(event.timer)
            if isinstance(event, events.Exited):
                if event.incarnation not in self.alive[event.child]:
                    continue
                self.alive[event.child].remove(event.incarnation)
            self.tell(event)
        self.now = end
        return self

    # What a test asks.

    def view(self, child: str) -> ChildView:
        """The child as an operator sees it."""
        return next(view for view in self.engine.view(self.now) if view.id == child)

    def states(self) -> dict[str, str]:
        """The state of every child."""
        return {view.id: view.state for view in self.engine.view(self.now)}

    def reported(self, *names: str, child: str | None = None) -> list[tuple[str, str]]:
        """The reported (event, child) pairs, of these names (all) and this child (all)."""
        return [
            (report.event, report.child)
            for _, report in self.reports
            if (not names or report.event in names) and child in {None, report.child}
        ]

    def facts(self, event: str, child: str) -> list[dict[str, object]]:
        """The facts of every report of this event about this child."""
        return [
            dict(report.facts) for _, report in self.reports if (report.event, report.child) == (event, child)
        ]

    def unanswered_alarms(self) -> set[events.Timer]:
        """Alarms that are armed."""
        return set(self._armed)

    # How commands are performed.

    def _perform(self, command: commands.Command) -> None:
        match command:
            case commands.Spawn(child, incarnation):
                self._spawn(child, incarnation)
            case commands.Signal(child, incarnation):
                life = self.lives[child, incarnation]
                if life.stops_in is not None:
                    self._at(life.stops_in, events.Exited(child, incarnation, NORMAL))
            case commands.Kill(child, incarnation):
                self._at(0.0, events.Exited(child, incarnation, KILLED))
            case commands.Arm(timer, at):
                self._armed.add(timer)
                self._at(at - self.now, events.TimerFired(timer))
            case commands.Disarm(timer):
                self._armed.discard(timer)
            case commands.Report():
                self.reports.append((self.now, command))
            case commands.Reply():
                self.replies.append(command)
            case commands.Exit(code):
                self.exit_code = code
            case commands.DumpStacks():
                pass

    def _spawn(self, child: str, incarnation: int) -> None:
        life = self.scripts[child].popleft() if self.scripts[child] else HAPPY
        self.lives[child, incarnation] = life
        self.spawned_at[child].append(self.now)
        if life.spawn != "ok":
            self._at(0.0, events.SpawnFailed(child, incarnation, life.spawn, life.permanent))
            return
        self.alive[child].append(incarnation)
        self._at(0.0, events.Spawned(child, incarnation, next(self._pids)))
        if life.ready_after is not None:
            self._at(life.ready_after, events.Ready(child, incarnation))
        if life.dies_after is not None:
            self._at(life.dies_after, events.Exited(child, incarnation, life.status))

    def _exit(self, child: str, incarnation: int, status: ExitStatus) -> None:
        self.alive[child].remove(incarnation)
        self.tell(events.Exited(child, incarnation, status))

    def _at(self, delay: float, event: events.Event) -> None:
        heapq.heappush(self._due, (self.now + delay, next(self._order), event))


def living(world: World, children: Iterable[str]) -> dict[str, int]:
    """How many live processes each child has."""
    return {child: len(world.alive[child]) for child in children}
