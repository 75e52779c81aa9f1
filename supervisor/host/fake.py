"""The port without an operating system: simulated time, and puppets that do as their script says.

    host = FakeHost(heard.append, {"feed": [Script(exits_after=2.0), Script(term_takes=9.0)]})
    host.spawn(Birth("feed", 1, Program()))
    host.advance(2.0)          # heard: Spawned at 0 s, Exited at 2 s

Scripts are used up one a start; after the last one of a child comes ``Script()``: it runs until it is
told to stop, and obeys at once.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from supervisor.engine.events import Exited, ExitStatus, Spawned, SpawnFailed
from supervisor.host.port import Birth, HostEvent, Sink

_FIRST_PID = 1000
KILLED = ExitStatus(signal="SIGKILL")


@dataclass(frozen=True, kw_only=True)
class Script:
    """What one incarnation does; durations in seconds.

    ``fails``: no process comes to be, with this sentence. ``exits_after``: it ends by itself so long after
    it was spawned (0: at once). ``term_takes``: so long it takes to end after SIGTERM, with
    ``term_status`` (None: it ignores SIGTERM). ``kill_takes``: until its group is gone after SIGKILL.
    """

    fails: str | None = None
    permanent: bool = False
    spawn_takes: float = 0.0
    exits_after: float | None = None
    exit_status: ExitStatus = ExitStatus(code=0)  # noqa: RUF009 - frozen
    term_takes: float | None = 0.0
    term_status: ExitStatus = ExitStatus(code=0)  # noqa: RUF009 - frozen
    kill_takes: float = 0.0


@dataclass(order=True)
class Alarm:
    """Something that happens at a simulated time; in the order of asking where times are equal."""

    at: float
    serial: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)


@dataclass(eq=False)
class _Puppet:
    script: Script
    pid: int
    spawned: bool = False
    doomed: bool = False


class FakeHost:
    """A host whose clock only moves by ``advance`` and ``run_until_quiet``.

    ``calls`` lists ``(time, verb, child, incarnation)`` of every call: spawn, terminate, dump_stacks, kill.
    """

    def __init__(self, sink: Sink, scripts: Mapping[str, Sequence[Script]] | None = None) -> None:
        self._sink = sink
        self._scripts = {child: list(script) for child, script in (scripts or {}).items()}
        self._now = 0.0
        self._serials = itertools.count()
        self._pids = itertools.count(_FIRST_PID)
        self._agenda: list[Alarm] = []
        self._puppets: dict[tuple[str, int], _Puppet] = {}
        self.calls: list[tuple[float, str, str, int]] = []

    def now(self) -> float:
        """Simulated time in seconds; starts at 0."""
        return self._now

    def script(self, child: str, *scripts: Script) -> None:
        """Append to what the next incarnations of a child will do."""
        self._scripts.setdefault(child, []).extend(scripts)

    def spawn(self, birth: Birth) -> None:
        """See :class:`supervisor.host.port.Host`."""
        key = (birth.child, birth.incarnation)
        self._note("spawn", *key)
        waiting = self._scripts.get(birth.child)
        puppet = _Puppet(waiting.pop(0) if waiting else Script(), next(self._pids))
        self._puppets[key] = puppet
        self.call_later(puppet.script.spawn_takes, lambda: self._be_born(key, puppet))

    def terminate(self, child: str, incarnation: int) -> None:
        """See :class:`supervisor.host.port.Host`."""
        self._note("terminate", child, incarnation)
        puppet = self._puppets.get((child, incarnation))
        if puppet is not None and puppet.spawned and puppet.script.term_takes is not None:
            self._end((child, incarnation), puppet, puppet.script.term_status, puppet.script.term_takes)

    def dump_stacks(self, child: str, incarnation: int) -> None:
        """See :class:`supervisor.host.port.Host`; only noted in ``calls``."""
        self._note("dump_stacks", child, incarnation)

    def kill(self, child: str, incarnation: int) -> None:
        """See :class:`supervisor.host.port.Host`."""
        self._note("kill", child, incarnation)
        puppet = self._puppets.get((child, incarnation))
        if puppet is None:
            return
        if not puppet.spawned:
            puppet.doomed = True
            return
        self._end((child, incarnation), puppet, KILLED, puppet.script.kill_takes)

    def crash(self, child: str, status: ExitStatus = KILLED) -> None:
        """Have the running incarnation of a child end now. KeyError when there is none."""
        if child not in self.pids():
            raise KeyError(child)
        for key, puppet in list(self._puppets.items()):
            if key[0] == child and puppet.spawned:
                self._end(key, puppet, status, 0.0)

    def pids(self) -> dict[str, int]:
        """See :class:`supervisor.host.port.Host`."""
        return {child: puppet.pid for (child, _), puppet in self._puppets.items() if puppet.spawned}

    def renew(self, preload: Sequence[str]) -> None:
        """Nothing to renew: puppets have no forkserver."""
        self._note("renew", ",".join(preload), 0)

    async def open(self) -> None:
        """See :class:`supervisor.host.port.Host`; nothing to start."""

    async def close(self) -> None:
        """Kill all puppets and let time pass until they are gone."""
        for child, incarnation in list(self._puppets):
            self.kill(child, incarnation)
        while self._puppets:
            self._step()

    def call_later(self, delay: float, action: Callable[[], None]) -> Alarm:
        """Put something on the agenda, an engine's timer for example; to cancel set ``cancelled``."""
        alarm = Alarm(self._now + delay, next(self._serials), action)
        heapq.heappush(self._agenda, alarm)
        return alarm

    def advance(self, seconds: float) -> None:
        """Let time pass; what falls due on the way happens, in order, each at its own time."""
        end = self._now + seconds
        while (at := self.next_at()) is not None and at <= end:
            self._step()
        self._now = end

    def run_until_quiet(self, limit: float = 3600.0) -> None:
        """Jump from one event to the next until none is left, or ``limit`` seconds have passed."""
        end = self._now + limit
        while (at := self.next_at()) is not None and at <= end:
            self._step()

    def next_at(self) -> float | None:
        """When the next thing happens; None: nothing will, unless somebody acts."""
        while self._agenda and self._agenda[0].cancelled:
            heapq.heappop(self._agenda)
        return self._agenda[0].at if self._agenda else None

    def _step(self) -> None:
        alarm = heapq.heappop(self._agenda)
        if not alarm.cancelled:
            self._now = alarm.at
            alarm.action()

    def _be_born(self, key: tuple[str, int], puppet: _Puppet) -> None:
        script = puppet.script
        if script.fails is not None:
            del self._puppets[key]
            self._tell(SpawnFailed(*key, detail=script.fails, permanent=script.permanent))
            return
        puppet.spawned = True
        self._tell(Spawned(*key, pid=puppet.pid))
        if puppet.doomed:
            self._end(key, puppet, KILLED, script.kill_takes)
        elif script.exits_after is not None:
            self._end(key, puppet, script.exit_status, script.exits_after)

    def _end(self, key: tuple[str, int], puppet: _Puppet, status: ExitStatus, delay: float) -> None:
        self.call_later(delay, lambda: self._be_gone(key, puppet, status))

    def _be_gone(self, key: tuple[str, int], puppet: _Puppet, status: ExitStatus) -> None:
        # Several ends may be on their way (by itself, by SIGTERM, by SIGKILL): the first one counts.
        if self._puppets.get(key) is puppet:
            del self._puppets[key]
            self._tell(Exited(*key, status=status))

    def _tell(self, event: HostEvent) -> None:
        self._sink(event)

    def _note(self, verb: str, child: str, incarnation: int) -> None:
        self.calls.append((self._now, verb, child, incarnation))
