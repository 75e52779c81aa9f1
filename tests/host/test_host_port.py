"""What every host promises, asked of the real one and of the fake one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, Protocol

import pytest

from supervisor.engine.events import Exited, ExitStatus, Spawned, SpawnFailed
from supervisor.engine.spec import Program
from supervisor.host.fake import FakeHost, Script
from supervisor.host.port import Birth, Host, HostEvent
from tests.host.rig import Rig, command, puppet
from tests.support.deadline import until


class Stage(Protocol):
    """A host, what it said, and children of four characters; all of them are called ``a``."""

    host: Host
    heard: list[HostEvent]

    def birth(self, character: str, incarnation: int = 1) -> Birth:
        """One that ``obeys`` SIGTERM, is ``deaf`` to it, ``leaves`` with code 3, or is ``unstartable``."""
        ...

    async def until(self, predicate: Callable[[], object]) -> None:
        """Let time pass until something is true."""
        ...

    async def ready(self, incarnation: int = 1) -> None:
        """Let time pass until the child has taken its position towards SIGTERM."""
        ...


class RealStage:
    """Puppets in real processes."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.host: Host = rig.host
        self.heard = rig.heard

    def birth(self, character: str, incarnation: int = 1) -> Birth:
        match character:
            case "obeys":
                return puppet("a", incarnation, "stops_on_term")
            case "deaf":
                return puppet("a", incarnation, "runs", deaf=True)
            case "leaves":
                return puppet("a", incarnation, "exits_with", code=3)
        return command("a", incarnation, "/nowhere/at-all")

    async def until(self, predicate: Callable[[], object]) -> None:
        await until(predicate, state=lambda: self.heard)

    async def ready(self, incarnation: int = 1) -> None:
        await self._rig.word("up ", "a", incarnation)


class FakeStage:
    """Puppets in simulated time."""

    SCRIPTS: ClassVar = {
        "obeys": Script(term_takes=0.5),
        "deaf": Script(term_takes=None),
        "leaves": Script(exits_after=1.0, exit_status=ExitStatus(code=3)),
        "unstartable": Script(fails="command not found: '/nowhere/at-all'", permanent=True),
    }

    def __init__(self) -> None:
        self.heard: list[HostEvent] = []
        self._fake = FakeHost(self.heard.append)
        self.host: Host = self._fake

    def birth(self, character: str, incarnation: int = 1) -> Birth:
        self._fake.script("a", self.SCRIPTS[character])
        return Birth("a", incarnation, Program(start="tests:fake"))

    async def until(self, predicate: Callable[[], object]) -> None:
        while not predicate():
            at = self._fake.next_at()
            assert at is not None, f"nothing will happen any more; heard {self.heard}"
            self._fake.advance(at - self._fake.now())

    async def ready(self, incarnation: int = 1) -> None:
        await self.until(lambda: any(isinstance(event, Spawned) for event in self.heard))


Scenario = Callable[[Stage], Awaitable[None]]
SCENARIOS: list[Scenario] = []


def promise(scenario: Scenario) -> Scenario:
    """Have a scenario played on both stages."""
    SCENARIOS.append(scenario)
    return scenario


@promise
async def spawned_with_its_pid(stage: Stage) -> None:
    """A start is answered by Spawned, with the pid that pids() tells while it lives."""
    stage.host.spawn(stage.birth("obeys"))
    assert stage.heard == []

    await stage.until(lambda: stage.heard)

    (spawned,) = stage.heard
    assert isinstance(spawned, Spawned)
    assert stage.host.pids() == {"a": spawned.pid}


@promise
async def exit_code_is_told(stage: Stage) -> None:
    """One that leaves by itself is Exited with its code, and no longer among the pids."""
    stage.host.spawn(stage.birth("leaves"))

    await stage.until(lambda: len(stage.heard) == 2)

    assert stage.heard[1] == Exited("a", 1, ExitStatus(code=3))
    assert stage.host.pids() == {}


@promise
async def terminate_is_obeyed(stage: Stage) -> None:
    """SIGTERM lets a child end in its own way."""
    stage.host.spawn(stage.birth("obeys"))
    await stage.ready()

    stage.host.terminate("a", 1)
    await stage.until(lambda: len(stage.heard) == 2)

    assert stage.heard[1] == Exited("a", 1, ExitStatus(code=0))


@promise
async def kill_needs_no_consent(stage: Stage) -> None:
    """One that ignores SIGTERM ends by SIGKILL, once, however often it is said."""
    stage.host.spawn(stage.birth("deaf"))
    await stage.ready()

    stage.host.terminate("a", 1)
    stage.host.kill("a", 1)
    stage.host.kill("a", 1)
    await stage.until(lambda: len(stage.heard) == 2)
    stage.host.kill("a", 1)
    await stage.host.close()

    assert stage.heard[1:] == [Exited("a", 1, ExitStatus(signal="SIGKILL"))]


@promise
async def early_kill_is_remembered(stage: Stage) -> None:
    """A kill that arrives before the process does ends it as soon as it is there."""
    stage.host.spawn(stage.birth("deaf"))
    stage.host.kill("a", 1)

    await stage.until(lambda: len(stage.heard) == 2)

    assert isinstance(stage.heard[0], Spawned)
    assert stage.heard[1] == Exited("a", 1, ExitStatus(signal="SIGKILL"))


@promise
async def strangers_are_left_alone(stage: Stage) -> None:
    """Calls about another incarnation, or nobody, do nothing."""
    stage.host.spawn(stage.birth("deaf", incarnation=2))
    await stage.ready(2)

    for act in (stage.host.terminate, stage.host.kill, stage.host.dump_stacks):
        act("a", 1)
        act("nobody", 2)

    assert list(stage.host.pids()) == ["a"]
    assert len(stage.heard) == 1


@promise
async def failed_start_is_told(stage: Stage) -> None:
    """What cannot be started is SpawnFailed with a sentence, and nothing else is heard of it."""
    stage.host.spawn(stage.birth("unstartable"))

    await stage.until(lambda: stage.heard)
    await stage.host.close()

    assert stage.heard == [SpawnFailed("a", 1, "command not found: '/nowhere/at-all'", permanent=True)]


@promise
async def restarts_are_told_in_order(stage: Stage) -> None:
    """Each incarnation is spawned once and exits once."""
    for incarnation in (1, 2, 3):
        stage.host.spawn(stage.birth("leaves", incarnation))
        await stage.until(lambda: len(stage.heard) == 2 * incarnation)  # noqa: B023 - awaited here

    told = [(type(event), event.incarnation) for event in stage.heard]
    assert told == [(kind, incarnation) for incarnation in (1, 2, 3) for kind in (Spawned, Exited)]


@promise
async def close_leaves_nobody(stage: Stage) -> None:
    """Closing kills what runs and says so; closing again is harmless."""
    stage.host.spawn(stage.birth("deaf"))
    await stage.ready()

    await stage.host.close()
    await stage.host.close()

    assert stage.host.pids() == {}
    assert stage.heard[1:] == [Exited("a", 1, ExitStatus(signal="SIGKILL"))]


@promise
async def time_does_not_run_backwards(stage: Stage) -> None:
    """now() is monotonic."""
    before = stage.host.now()
    stage.host.spawn(stage.birth("leaves"))
    await stage.until(lambda: len(stage.heard) == 2)

    assert stage.host.now() > before


@pytest.mark.req("S1")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_fake_host_keeps(scenario: Scenario) -> None:
    """The fake host keeps the promise."""
    asyncio.run(_played(scenario, FakeStage()))


@pytest.mark.req("S1")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_real_host_keeps(scenario: Scenario) -> None:
    """The real host keeps the promise."""

    async def play() -> None:
        async with Rig() as rig:
            await scenario(RealStage(rig))

    asyncio.run(play())


async def _played(scenario: Scenario, stage: Stage) -> None:
    await scenario(stage)
