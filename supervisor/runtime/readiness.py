"""Foreign programs: whether they serve and live, heard by systemd's notify protocol or asked by probes.

prepare -> spawned -> serves -> gone, for each incarnation; what is learnt goes to the engine as ``Ready`` and
``BeatMissed`` with that incarnation, and to ``Liveness``.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.engine import commands, events
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import Heartbeat, Probe, Program, WorkerSpec
from supervisor.host.guarded import Broken, guarded
from supervisor.host.notice import Notice
from supervisor.host.notify import NotifySocket, address_for, users_of
from supervisor.host.port import Birth, RunErrand
from supervisor.host.probe import ProbeFailed, ask
from supervisor.host.probe_schedule import READY_LIMIT, Pulse, ready_pause
from supervisor.link.liveness import Liveness
from supervisor.link.noise import Noise
from supervisor.runtime.rootlog import say


@dataclass(eq=False)
class _Life:
    """One incarnation. ``said`` is its STATUS=, ``trouble`` why the last probe failed."""

    child: str
    incarnation: int
    spec: WorkerSpec
    socket: NotifySocket | None = None
    probing: asyncio.Task[None] | None = None
    said: str | None = None
    trouble: str | None = None
    stopping: bool = False

    def end(self) -> None:
        """Hear and ask nothing more."""
        if self.socket is not None:
            self.socket.close()
        self.ask_no_more()

    def ask_no_more(self) -> None:
        """End its probe."""
        if self.probing is not None:
            self.probing.cancel()


class ForeignPrograms:
    """Watches those commands that have ``ready`` or ``liveness``. All methods belong to the loop's thread."""

    def __init__(
        self,
        runtime_dir: str,
        *,
        run: RunErrand,
        tell: Callable[[events.Event], None],
        broken: Broken,
        liveness: Liveness,
        noise: Noise,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._runtime_dir = Path(runtime_dir)
        self._run, self._tell, self._broken = run, tell, broken
        self._liveness, self._noise = liveness, noise
        self._serials = itertools.count(1)
        self._lives: dict[str, _Life] = {}

    def prepare(self, spawn: commands.Spawn) -> Mapping[str, str]:
        """Get ready to hear a new incarnation; what its environment needs for that. Raises OSError."""
        self.forget(spawn.child)
        spec = spawn.spec
        if not spec.program.command or (spec.ready == "immediate" and spec.program.liveness is None):
            return {}
        life = _Life(spawn.child, spawn.incarnation, spec)
        if "notify" in (spec.ready, spec.program.liveness):
            life.socket = self._listen(life)
        self._lives[spawn.child] = life
        return _environment(life)

    def spawned(self, child: str, incarnation: int) -> None:
        """Its process exists: ask it whether it serves."""
        life = self._life(child, incarnation)
        probe = life and life.spec.program.readiness
        if life and probe:
            life.probing = self._probing(life, self._until_ready(life, probe))

    def serves(self, child: str, incarnation: int) -> None:
        """It is ready: watch over it from now on."""
        life = self._life(child, incarnation)
        if life is None or life.stopping or life.spec.heartbeat is None:
            return
        liveness, heartbeat = life.spec.program.liveness, life.spec.heartbeat
        if liveness is None or liveness == "notify":
            return
        pulse = Pulse(heartbeat, self._loop.time())
        # The probe counts its failures itself. This shows the age of the last success, and is the net below.
        net = Heartbeat(interval=max(heartbeat.interval, pulse.limit), misses=heartbeat.misses + 2)
        self._liveness.watch(child, incarnation, net, self._loop.time())
        life.probing = self._probing(life, self._while_alive(life, liveness, pulse))

    def gone(self, child: str, incarnation: int) -> None:
        """It has ended; what it said last stays to be seen until its next start."""
        life = self._life(child, incarnation)
        if life is not None:
            life.end()

    def forget(self, child: str) -> None:
        """It will not come back."""
        life = self._lives.pop(child, None)
        if life is not None:
            life.end()

    def status_text(self, child: str) -> str | None:
        """What is to be told of it: why its probe fails, else what it says itself."""
        life = self._lives.get(child)
        return None if life is None else life.trouble or life.said

    def trouble(self, child: str, incarnation: int) -> str | None:
        """Why its probe failed last, unless it succeeded since."""
        life = self._life(child, incarnation)
        return None if life is None else life.trouble

    async def close(self) -> None:
        """End everything."""
        lives, self._lives = self._lives, {}
        for life in lives.values():
            life.end()
        tasks = [life.probing for life in lives.values() if life.probing is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    # Heard.

    def _listen(self, life: _Life) -> NotifySocket:
        users = users_of(life.spec.program.user)

        def refused(kind: str, sentence: str) -> None:
            self._noise.count("notify", kind, f"{life.child}: {sentence}")

        return NotifySocket(
            self._loop,
            address_for(self._runtime_dir / f"{next(self._serials)}.notify", users),
            users=users,
            heard=lambda notice: self._heard(life, notice),
            refused=refused,
        )

    def _heard(self, life: _Life, notice: Notice) -> None:
        if notice.status is not None:
            life.said = notice.status or None
        if notice.ready and life.spec.ready == "notify":
            self._tell(events.Ready(life.child, life.incarnation))
        if life.spec.program.liveness == "notify":
            self._beaten(life, notice)
        if notice.stopping and not life.stopping:
            self._stops(life)

    def _beaten(self, life: _Life, notice: Notice) -> None:
        now = self._loop.time()
        if notice.beat and not life.stopping:
            self._liveness.heard(life.child, life.incarnation, now)
        if notice.trigger:
            silence = self._liveness.silence(life.child, now) or 0.0
            self._tell(events.BeatMissed(life.child, life.incarnation, silence))

    def _stops(self, life: _Life) -> None:
        """It ends by itself and need not beat meanwhile; it has as much time as when it is asked to."""
        life.stopping = True
        life.ask_no_more()
        shutdown = life.spec.shutdown
        patience = shutdown if isinstance(shutdown, int | float) else math.inf
        last = Heartbeat(interval=patience, misses=1)
        self._liveness.watch(life.child, life.incarnation, last, self._loop.time())

    # Asked.

    def _probing(self, life: _Life, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return guarded(self._loop, work, name=f"probe of {life.child}", broken=self._broken)

    async def _until_ready(self, life: _Life, probe: Probe) -> None:
        for failures in itertools.count(1):
            if await self._succeeds(life, probe, READY_LIMIT):
                self._tell(events.Ready(life.child, life.incarnation))
                return
            await asyncio.sleep(ready_pause(failures))

    async def _while_alive(self, life: _Life, probe: Probe, pulse: Pulse) -> None:
        now = self._loop.time
        due = now() + pulse.heartbeat.interval
        while not pulse.hung:
            await asyncio.sleep(max(0.0, due - now()))
            began = now()
            if await self._succeeds(life, probe, pulse.limit):
                pulse = pulse.succeeded(now())
                self._liveness.heard(life.child, life.incarnation, now())
            else:
                self._complain(life, pulse)
                pulse = pulse.failed(began, now())
            due = pulse.next_at(began, now())
        self._tell(events.BeatMissed(life.child, life.incarnation, now() - pulse.good_at))

    async def _succeeds(self, life: _Life, probe: Probe, limit: float) -> bool:
        async def run(command: tuple[str, ...], limit: float) -> ExitStatus:
            return await self._run(_errand(life, command), limit)

        try:
            await ask(probe, limit, run)
        except ProbeFailed as error:
            life.trouble = str(error)
            return False
        life.trouble = None
        return True

    def _complain(self, life: _Life, pulse: Pulse) -> None:
        if not pulse.failures:
            say("WARNING", f"the probe of {life.child} fails: {life.trouble}", child=life.child)

    def _life(self, child: str, incarnation: int) -> _Life | None:
        life = self._lives.get(child)
        return life if life is not None and life.incarnation == incarnation else None


def _environment(life: _Life) -> dict[str, str]:
    """What the notify protocol puts into a program's environment."""
    if life.socket is None:
        return {}
    found = {"NOTIFY_SOCKET": life.socket.address}
    heartbeat = life.spec.heartbeat
    if life.spec.program.liveness == "notify" and heartbeat is not None:
        # Programs beat twice in this time, as sd_watchdog_enabled(3) has them do.
        found["WATCHDOG_USEC"] = str(round(heartbeat.interval * heartbeat.misses * 1_000_000))
    return found


def _errand(life: _Life, command: tuple[str, ...]) -> Birth:
    """A command to be run as the child is: same user, directory, environment, limits and marks."""
    program = life.spec.program
    beside = Program(
        command=command,
        environment=program.environment,
        directory=program.directory,
        user=program.user,
        limits=program.limits,
    )
    return Birth(life.child, life.incarnation, beside)
