"""What foreign programs say and answer, and what the engine and the liveness watch are told of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from supervisor.config import Tree
from supervisor.engine import commands, events
from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import ExecProbe, Heartbeat, Program, WorkerSpec
from supervisor.host.fake import FakeHost
from supervisor.host.port import Birth
from supervisor.link.liveness import Liveness
from supervisor.link.noise import Noise
from supervisor.runtime.performer import Performer
from supervisor.runtime.readiness import ForeignPrograms
from tests.support.deadline import until

CHECK_S = 0.25
ASK = ExecProbe(("ask",))


class Stage:
    """Foreign programs without processes: exec probes end with the next of ``answers``, the last for ever."""

    def __init__(self, runtime_dir: Path) -> None:
        self.told: list[events.Event] = []
        self.refused: list[str] = []
        self.asked: list[Birth] = []
        self.answers = [0]
        self.at_once = self.most_at_once = 0
        self.liveness = Liveness(CHECK_S)
        self.defects: list[BaseException] = []
        loop = asyncio.get_running_loop()
        noise = Noise(lambda door, kind, sentence, count: self.refused.append(f"{door} {kind}"), loop.time)
        self.foreign = ForeignPrograms(
            str(runtime_dir),
            run=self._run,
            tell=self.told.append,
            broken=self.defects.append,
            liveness=self.liveness,
            noise=noise,
        )

    def spawn(
        self, incarnation: int = 1, program: dict[str, Any] | None = None, **spec: Any
    ) -> dict[str, str]:
        """Prepare an incarnation of the child ``web``; its environment."""
        web = WorkerSpec(id="web", program=Program(command=("web",), **(program or {})), **spec)
        return dict(self.foreign.prepare(commands.Spawn("web", incarnation, web, "root/web")))

    def silence(self) -> float | None:
        """How long ``web`` was not heard."""
        return self.liveness.silence("web", asyncio.get_running_loop().time())

    async def _run(self, birth: Birth, limit: float) -> ExitStatus:
        self.asked.append(birth)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return ExitStatus(code=self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def with_stage(story: Callable[[Stage], Awaitable[None]]) -> Callable[[Path], None]:
    """Make a test of a coroutine function that wants a stage."""

    def test(runtime_dir: Path) -> None:
        async def run() -> None:
            stage = Stage(runtime_dir)
            try:
                await story(stage)
            finally:
                await stage.foreign.close()

        asyncio.run(run())
        assert list(runtime_dir.iterdir()) == []

    test.__name__, test.__doc__ = story.__name__, story.__doc__
    return test


def say(environment: dict[str, str], text: str) -> None:
    """Send one datagram as the program would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(environment["NOTIFY_SOCKET"])
        sender.send(text.encode())


async def heard(stage: Stage, count: int = 1) -> list[events.Event]:
    """Wait until the engine was told so much."""
    await until(lambda: len(stage.told) >= count, what=f"{count} events", state=lambda: stage.refused)
    return stage.told


@pytest.mark.req("S3")
@with_stage
async def test_ready_is_told_with_its_incarnation(stage: Stage) -> None:
    """READY=1 counts for the incarnation whose socket it came to; the text is shown until the next start."""
    environment = stage.spawn(incarnation=7, ready="notify")
    say(environment, "STATUS=hello\nREADY=1")

    assert await heard(stage) == [events.Ready("web", 7)]
    stage.foreign.gone("web", 7)
    assert stage.foreign.status_text("web") == "hello"
    later = stage.spawn(incarnation=8, ready="notify")
    assert stage.foreign.status_text("web") is None
    assert later["NOTIFY_SOCKET"] != environment["NOTIFY_SOCKET"]
    with pytest.raises(OSError, match=r"No such file|refused"):
        say(environment, "READY=1")


@pytest.mark.req("S10")
@with_stage
async def test_what_was_not_asked_for_is_not_heard(stage: Stage) -> None:
    """No socket for plain commands; READY=1 means nothing to a child that is ready otherwise."""
    assert stage.spawn(ready="immediate") == {}
    environment = stage.spawn(2, ready="immediate", program={"liveness": "notify"}, heartbeat=Heartbeat())
    say(environment, "READY=1\nSTATUS=up")
    await until(lambda: stage.foreign.status_text("web"), what="the text")
    say(environment, "garbage")
    await until(lambda: stage.refused, what="the refusal")

    assert stage.told == []
    assert stage.refused == ["notify NoAssignment"]
    assert environment["WATCHDOG_USEC"] == "5000000"


@pytest.mark.req("S4")
@with_stage
async def test_beats_are_heard(stage: Stage) -> None:
    """WATCHDOG=1 is a beat; WATCHDOG=trigger is a program's own word that it hangs."""
    environment = stage.spawn(ready="notify", program={"liveness": "notify"}, heartbeat=Heartbeat())
    stage.liveness.watch("web", 1, Heartbeat(), asyncio.get_running_loop().time() - 3.0)
    say(environment, "WATCHDOG=1")
    await until(lambda: (stage.silence() or 9.0) < 3.0, what="the beat", state=stage.silence)
    say(environment, "WATCHDOG=trigger")
    (missed,) = await heard(stage)

    assert isinstance(missed, events.BeatMissed)
    assert (missed.child, missed.incarnation) == ("web", 1)


@pytest.mark.req("S4")
@with_stage
async def test_who_says_stopping_has_the_time_of_a_stop(stage: Stage) -> None:
    """STOPPING=1 ends the duty to beat, for as long as ``shutdown`` allows and no longer."""
    environment = stage.spawn(
        ready="notify", program={"liveness": "notify"}, heartbeat=Heartbeat(interval=0.1), shutdown=30.0
    )
    now = asyncio.get_running_loop().time()
    stage.liveness.watch("web", 1, Heartbeat(interval=0.1), now)
    say(environment, "STOPPING=1\nSTATUS=bye")
    await until(lambda: stage.foreign.status_text("web") == "bye", what="the word")

    checks = [now + n * CHECK_S for n in range(1, 200)]
    (late,) = [late for check in checks for late in stage.liveness.check(check)]
    assert 30.0 < late.silence < 31.0


@pytest.mark.req("S3")
@with_stage
async def test_a_probe_is_repeated_until_it_succeeds(stage: Stage) -> None:
    """Asked as the child runs, one at a time; why it fails is shown meanwhile; then ready, once."""
    stage.answers = [1, 2, 0]
    program = {"readiness": ASK, "user": "u", "directory": "/d", "environment": {"A": "b"}}
    assert stage.spawn(4, ready="probe", program=program) == {}
    stage.foreign.spawned("web", 4)
    await until(lambda: stage.foreign.trouble("web", 4) == "exec ask: exit code 2", what="the trouble")

    assert await heard(stage) == [events.Ready("web", 4)]
    asked = stage.asked[0]
    assert (asked.child, asked.incarnation, asked.program.command) == ("web", 4, ("ask",))
    assert (asked.program.user, asked.program.directory) == ("u", "/d")
    assert dict(asked.program.environment) == {"A": "b"}
    assert (stage.foreign.status_text("web"), stage.most_at_once, len(stage.asked)) == (None, 1, 3)


@pytest.mark.req("S4")
@with_stage
async def test_failures_in_a_row_are_told_once(stage: Stage) -> None:
    """Good answers are beats; ``misses`` bad ones in a row end the watch with BeatMissed."""
    stage.answers = [0, 1, 0, 1, 1, 1]
    heartbeat = Heartbeat(interval=0.01, misses=3)
    stage.spawn(2, ready="immediate", program={"liveness": ASK}, heartbeat=heartbeat)
    stage.foreign.spawned("web", 2)
    stage.foreign.serves("web", 2)
    (missed,) = await heard(stage)

    assert isinstance(missed, events.BeatMissed)
    assert (missed.incarnation, len(stage.asked)) == (2, 6)
    assert stage.silence() is not None
    assert stage.foreign.status_text("web") == "exec ask: exit code 1"


@pytest.mark.req("S10")
@with_stage
async def test_nobody_is_asked_after_the_end(stage: Stage) -> None:
    """When the process is gone its probe is, too; what is said about other incarnations changes nothing."""
    stage.answers = [1]
    stage.spawn(1, ready="probe", program={"readiness": ASK})
    stage.foreign.spawned("web", 9)
    assert stage.foreign.trouble("web", 9) is None
    stage.foreign.spawned("web", 1)
    await until(lambda: stage.asked, what="a question")
    stage.foreign.gone("web", 1)
    stage.foreign.forget("web")
    await until(lambda: len(asyncio.all_tasks()) == 1, what="the probe to end")

    assert (stage.told, stage.foreign.status_text("web")) == ([], None)


@pytest.mark.req("S10")
@with_stage
async def test_a_thousand_incarnations_leave_nothing(stage: Stage) -> None:
    """One socket at a time, whether or not the end of the one before was told."""
    counts = set()
    for incarnation in range(1, 1001):
        stage.spawn(incarnation, ready="notify")
        if incarnation % 2:
            stage.foreign.gone("web", incarnation)
        counts.add((incarnation % 2, open_descriptors()))

    assert len(counts) == 2


def open_descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.req("S3")
def test_a_socket_that_cannot_be_made_is_a_failed_start() -> None:
    """The engine is told so with a sentence, and the host starts nothing."""
    told: list[events.Event] = []
    host = FakeHost(lambda _: None)

    def prepare(_: commands.Spawn) -> dict[str, str]:
        raise OSError(24, "Too many open files")

    async def story() -> None:
        nothing = cast("Any", None)
        performer = Performer(host, cast("Tree", nothing), "/nowhere", nothing, told.append, prepare)
        spec = WorkerSpec(id="web", program=Program(command=("web",)), ready="notify")
        performer.perform(commands.Spawn("web", 3, spec, "root/web"))

    asyncio.run(story())
    assert told == [events.SpawnFailed("web", 3, "cannot make its notify socket: Too many open files")]
    assert host.calls == []
