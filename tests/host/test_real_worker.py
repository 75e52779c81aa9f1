"""Python workers as real processes: how they are born, how they end, what is told of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from supervisor.engine.events import Exited, ExitStatus
from supervisor.engine.spec import Limits
from tests.host.rig import Rig, puppet, with_rig
from tests.support.deadline import until


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    ("name", "config", "code"),
    [
        ("exits_with", {}, 0),
        ("exits_with", {"code": 0}, 0),
        ("exits_with", {"code": 7}, 7),
        ("exits_with", {"code": "nonsense"}, 1),
        ("leaves_by_sys_exit", {}, 0),
        ("leaves_by_sys_exit", {"code": 75}, 75),
        ("leaves_by_sys_exit", {"code": "a sentence"}, 1),
        ("raises", {"message": "boom"}, 1),
        ("leaves_a_thread", {"code": 4}, 4),
    ],
)
@with_rig
async def test_exit_code(rig: Rig, name: str, config: dict[str, Any], code: int) -> None:
    """What ``start`` returns, or raises, is the exit code; a thread left behind holds up nothing."""
    exited = await rig.ends(puppet("a", 1, name, **config))

    assert exited.status == ExitStatus(code=code)


@pytest.mark.req("S10")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGRTMIN + 3])
@with_rig
async def test_death_by_signal(rig: Rig, number: int) -> None:
    """A child ended by a signal is reported with the signal's name."""
    exited = await rig.ends(puppet("a", 1, "kills_itself", signal=int(number)))

    name = signal.Signals(number).name if number < signal.SIGRTMIN else f"SIG{int(number)}"
    assert exited.status == ExitStatus(signal=name)


@pytest.mark.req("S10")
@with_rig
async def test_output_arrives(rig: Rig) -> None:
    """Stdout and stderr of a child come through one pipe, in order."""
    await rig.ends(puppet("a", 1, "prints", out="to the left \u00e9", err="to the right"))

    assert await rig.last_words("a") == "to the left \u00e9\nto the right\n"


@pytest.mark.req("S10")
@with_rig
async def test_traceback_is_the_last_word(rig: Rig) -> None:
    """An exception that nobody catches goes to the output with its message."""
    await rig.ends(puppet("a", 1, "raises", message="the reason"))

    assert (await rig.last_words("a")).endswith("RuntimeError: the reason\n")


@pytest.mark.req("S10")
@with_rig
async def test_full_pipe_does_not_hold_up_the_end(rig: Rig) -> None:
    """A worker whose last line finds no room ends nevertheless."""
    rig.listening = False
    exited = await rig.ends(puppet("a", 1, "fills_the_pipe_and_leaves", code=6))

    assert exited.status == ExitStatus(code=6)


@pytest.mark.req("S10")
@pytest.mark.parametrize(
    ("start", "told"),
    [
        ("tests.nowhere:main", "No module named 'tests.nowhere'"),
        ("tests.support.puppets:nobody", "'nobody' is not a callable of module 'tests.support.puppets'"),
        ("tests.support.puppets:not_callable", "'not_callable' is not a callable"),
        ("tests.support.puppets", "is not a callable"),
    ],
)
@with_rig
async def test_unstartable(rig: Rig, start: str, told: str) -> None:
    """A ``start`` that is not there ends with 78, and one log record says what was looked for."""
    exited = await rig.ends(puppet("a", 1, start))

    record = json.loads((await rig.last_words("a")).removeprefix("\x1e"))
    assert exited.status == ExitStatus(code=78)
    assert (record["level"], record["process"]) == ("CRITICAL", "a")
    assert start in record["message"]
    assert told in record["message"]


@pytest.mark.req("S9")
@pytest.mark.req("S10")
@with_rig
async def test_birth(rig: Rig, tmp_path: Path) -> None:
    """A newborn worker has a session, a death signal, clean signals, its limits, no re-run ``__main__``."""
    program = {
        "environment": {"EXTRA": "yes"},
        "directory": str(tmp_path),
        "limits": Limits(nice=5, open_files=256),
    }
    await rig.ends(puppet("a-rather-long-name", 3, "describes_itself", program))

    facts = dict(line.split("=", 1) for line in rig.lines("a-rather-long-name", 3))
    assert facts == {
        "session": "True",
        "name": "a-rather-long-n",
        "stdin": "/dev/null",
        "blocked": "0000000000000000",
        "term": "SIG_DFL",
        "main": "None",
        "cwd": str(tmp_path),
        "nice": "5",
        "files": "256",
        "faults": "True",
        "child": "a-rather-long-name",
        "incarnation": "3",
        "extra": "yes",
        "launched": "a-rather-long-name",
        "deathsig": str(int(signal.SIGKILL)),
    }


@pytest.mark.req("S9")
@pytest.mark.parametrize(
    ("program", "told"),
    [
        ({"directory": "/nowhere"}, "cannot work in directory '/nowhere'"),
        ({"limits": Limits(open_files=1 << 40)}, "cannot set limits open_files="),
    ],
)
@with_rig
async def test_unfit_surroundings(rig: Rig, program: dict[str, Any], told: str) -> None:
    """A directory or limit that cannot be had ends with 78 and says so."""
    exited = await rig.ends(puppet("a", 1, "exits_with", program))

    assert exited.status == ExitStatus(code=78)
    assert told in await rig.last_words("a")


@pytest.mark.req("S4")
@with_rig
async def test_stacks_are_dumped(rig: Rig) -> None:
    """Asked for its stacks, a worker writes those of all threads to its output and lives on."""
    await rig.runs(puppet("a", 1, "stops_on_term"))
    await rig.word("up ", "a")

    rig.host.dump_stacks("a", 1)

    await rig.word("Current thread", "a")
    await until(lambda: "stops_on_term" in "".join(rig.lines("a")), what="the worker's own frame")
    assert "a" in rig.host.pids()


@pytest.mark.req("S1")
@with_rig
async def test_two_incarnations_are_told_apart(rig: Rig) -> None:
    """A signal to one incarnation does not touch the next."""
    await rig.runs(puppet("a", 1, "runs"))
    second = await rig.runs(puppet("a", 2, "runs"))

    rig.host.kill("a", 1)
    await rig.event(Exited, "a", 1)

    os.kill(second, 0)
    assert rig.host.pids() == {"a": second}


@pytest.mark.req("S10")
def test_failed_preload_is_only_a_warning() -> None:
    """A preload that cannot be imported is reported by the child, which runs nevertheless."""

    async def play() -> None:
        async with Rig(preload=["tests.nowhere", "tests.support.puppets"]) as rig:
            assert (await rig.ends(puppet("a", 1, "exits_with"))).status.normal
            record = json.loads((await rig.last_words("a")).removeprefix("\x1e"))
            assert record["level"] == "WARNING"
            assert "'tests.nowhere'" in record["message"]

    asyncio.run(play())
