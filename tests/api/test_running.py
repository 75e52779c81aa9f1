"""A tree inside somebody else's asyncio program."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from supervisor import Child, Supervisor
from supervisor.api import Refused
from supervisor.api.child import Backoff
from supervisor.api.events import Reader
from supervisor.api.running import RunningTree
from supervisor.host.lock import RootLock, StateDirBusy
from supervisor.host.prctl import is_subreaper
from supervisor.runtime.taken import RootAlreadyHere
from tests.api import puppets
from tests.api.loops import command, in_loop
from tests.host.rig import is_alive
from tests.support.deadline import until

SLEEP = ["sleep", "1000"]
LATER: Backoff = {"initial": "1h", "max": "1h"}

pytestmark = pytest.mark.usefixtures("runtime_dir")


def child_of(tree: RunningTree, name: str) -> dict[str, Any]:
    """Return what the status says of a child."""
    return next(child for child in tree.status()["children"] if child["id"] == name)


@pytest.mark.req("S1")
@in_loop
async def test_tree_beside_a_program(state_dir: Path) -> None:
    """Ready when the block begins, obeys this program, gone when it ends; the program is left alone."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    heard: list[str] = []
    sink = logger.add(heard.append, format="{message}")
    children = [
        Child("worker", start=puppets.serves, config={"says": "hello"}),
        Child("sleeper", command=SLEEP),
    ]
    async with Supervisor(children, state_dir=state_dir) as tree:
        first = {child["id"]: child["pid"] for child in tree.status()["children"]}
        assert {child["state"] for child in tree.status()["children"]} == {"ready"}
        assert handlers == {number: signal.getsignal(number) for number in handlers}

        await tree.restart("worker")
        await tree.stop("sleeper")
        assert child_of(tree, "worker")["pid"] not in {None, first["worker"]}
        assert child_of(tree, "sleeper")["state"] == "stopped"
        assert not is_alive(first["sleeper"])
        await tree.start("sleeper")
        assert child_of(tree, "sleeper")["state"] == "ready"
        await until(lambda: child_of(tree, "worker")["counters"].get("says") == "hello", what="a beat")
        last = [child["pid"] for child in tree.status()["children"]]
    logger.remove(sink)

    assert await tree.stopped() == 0
    assert not any(map(is_alive, last))
    assert (heard, is_subreaper()) == ([], False)
    assert handlers == {number: signal.getsignal(number) for number in handlers}


@pytest.mark.req("S1")
@in_loop
async def test_commands_reach_a_tree_in_a_program(state_dir: Path) -> None:
    """``status``, ``restart`` and ``stop`` work; after the stop the program goes on and may start again."""
    described = Supervisor([Child("sleeper", command=SLEEP)], state_dir=state_dir)
    async with described as tree:
        pid = child_of(tree, "sleeper")["pid"]
        assert (await command(state_dir, "restart", "sleeper"))[0] == 0
        assert child_of(tree, "sleeper")["pid"] not in {None, pid}
        code, said = await command(state_dir, "status")
        assert (code, "sleeper" in said) == (0, True)
        assert await command(state_dir, "stop") == (0, "stopping\nstopped\n")
        assert await tree.stopped() == 0
        with pytest.raises(Refused, match="restart of 'sleeper': the tree ended before it answered"):
            await tree.restart("sleeper")
        assert (await command(state_dir, "status"))[0] == 4
    async with described as tree:
        assert child_of(tree, "sleeper")["state"] == "ready"
    assert "sleeper is ready" in (await command(state_dir, "logs"))[1]


@pytest.mark.req("S11")
@in_loop
async def test_events_are_heard_by_every_reader(state_dir: Path) -> None:
    """Each reader hears what happens from its beginning to the end of the tree, and then ends."""

    async def all_of(reader: Reader) -> list[str]:
        return [event.event async for event in reader]

    async with Supervisor([Child("a", command=SLEEP)], state_dir=state_dir) as tree:
        follower = asyncio.create_task(all_of(aiter(tree.events)))
        reader = aiter(tree.events)
        os.kill(child_of(tree, "a")["pid"], signal.SIGKILL)
        story = [await anext(reader) for _ in range(4)]

    assert [event.event for event in story] == ["exited", "restarting", "spawned", "ready"]
    assert story[0].facts["reason"] == "killed"
    assert (await follower)[-3:] == ["stop_asked", "exited", "root_stopped"]
    assert await all_of(aiter(tree.events)) == []


@pytest.mark.req("S2")
@in_loop
async def test_program_is_told_why_not(state_dir: Path) -> None:
    """A child that fails keeps nobody from going on, and asking for it says what it died of."""
    failing = Child("unlucky", start=puppets.fails, backoff=LATER)
    async with Supervisor([failing, Child("a", command=SLEEP)], state_dir=state_dir) as tree:
        assert child_of(tree, "unlucky")["state"] == "backoff"
        assert child_of(tree, "a")["state"] == "ready"
        with pytest.raises(Refused, match=r"crashed \(code 1\): RuntimeError: no luck for unlucky"):
            await tree.restart("unlucky")
        with pytest.raises(Refused, match="stop of 'nobody': there is no such child"):
            await tree.stop("nobody")
        with pytest.raises(KeyError, match="there is no pool 'a'; the pools are: none"):
            tree.pool("a")


@pytest.mark.req("S1")
@in_loop
async def test_children_without_a_root_in_mind(state_dir: Path) -> None:
    """A callable without argument is ready at once, is not expected to beat, and stops at SIGTERM."""
    async with Supervisor(
        [Child("plain", start=puppets.plain, ready="immediate")], state_dir=state_dir
    ) as tree:
        assert child_of(tree, "plain")["heartbeat_age"] is None
        await tree.stop("plain")
        assert child_of(tree, "plain")["last_exit"]["signal"] == "SIGTERM"


@pytest.mark.req("S3")
@in_loop
async def test_callable_without_argument_by_its_name(state_dir: Path) -> None:
    """Named as text it cannot be looked at beforehand: parked at once, with a sentence for a person."""
    child = Child("plain", start="tests.api.puppets:plain")
    async with Supervisor([child], state_dir=state_dir) as tree:
        assert child_of(tree, "plain")["state"] == "parked"
        assert "takes no argument" in child_of(tree, "plain")["last_error"]


@pytest.mark.req("S8")
@in_loop
async def test_error_in_the_block_stops_the_tree(state_dir: Path) -> None:
    """In order, and the error comes out as it was."""
    children = [Child("first", command=SLEEP), Child("second", command=SLEEP)]
    with pytest.raises(ZeroDivisionError):
        async with Supervisor(children, state_dir=state_dir) as tree:
            reader = aiter(tree.events)
            raise ZeroDivisionError

    ends = [event.child async for event in reader if event.event == "exited"]
    assert ends == ["second", "first"]


@pytest.mark.req("S8")
@in_loop
async def test_cancelled_during_the_start(state_dir: Path) -> None:
    """A child that never becomes ready; the program gives up, and nothing is left."""
    tree = Supervisor([Child("slow", start=puppets.never_ready)], state_dir=state_dir)
    entering = asyncio.create_task(tree.__aenter__())
    await until(
        lambda: "slow spawned" in read(state_dir / "log" / "root.jsonl"), what="the process of the child"
    )
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering

    assert (await command(state_dir, "status"))[0] == 4


@pytest.mark.req("S8")
@in_loop
async def test_cancelled_during_the_stop(state_dir: Path) -> None:
    """A child that may take for ever and does: the second cancellation ends everything at once."""
    script = "trap '' TERM; echo deaf; while :; do sleep 1; done"
    deaf = Child("deaf", command=["sh", "-c", script], shutdown="infinity")

    async def program() -> None:
        async with Supervisor([deaf], state_dir=state_dir) as tree:
            running.set_result(tree)
            await asyncio.Event().wait()

    running: asyncio.Future[RunningTree] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(program())
    tree = await running
    pid = child_of(tree, "deaf")["pid"]
    await until(lambda: "deaf" in read(state_dir / "log" / "deaf.jsonl"), what="its ears to be shut")
    task.cancel()
    await until(lambda: child_of(tree, "deaf")["state"] == "stopping", what="the stop to begin")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not is_alive(pid)


@pytest.mark.req("S2")
@in_loop
async def test_tree_that_ends_by_itself(state_dir: Path) -> None:
    """A child that is done with everything names the exit code; nobody had to ask."""
    child = Child("last", start=puppets.finishes, config={"code": 7}, restart="transient")
    async with Supervisor([child], state_dir=state_dir) as tree:
        assert await tree.stopped() == 7


@pytest.mark.req("S7")
@in_loop
async def test_one_root_for_each_process_and_directory(state_dir: Path, tmp_path: Path) -> None:
    """A second tree here, or on the same state directory, is refused in words; the first one goes on."""
    children = [Child("a", command=SLEEP)]
    script = (
        "import asyncio, sys\nfrom supervisor import Child, Supervisor\n"
        f"sys.exit(Supervisor([Child('a', command=['true'])], state_dir={str(state_dir)!r}).run())"
    )
    async with Supervisor(children, state_dir=state_dir) as tree:
        with pytest.raises(RootAlreadyHere, match="can be the root of one at a time"):
            async with Supervisor(children, state_dir=tmp_path / "other"):
                pytest.fail("two trees in one process")
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stderr=asyncio.subprocess.PIPE
        )
        _, said = await other.communicate()
        assert (other.returncode, b"is in use by another root" in said) == (1, True)
        assert child_of(tree, "a")["state"] == "ready"


@pytest.mark.req("S7")
@in_loop
async def test_busy_directory_is_an_error_of_its_own(state_dir: Path) -> None:
    """It is raised where the tree would have begun, and this process is free for another one."""
    lock = RootLock(state_dir)
    lock.take()
    try:
        with pytest.raises(StateDirBusy):
            async with Supervisor([Child("a", command=SLEEP)], state_dir=state_dir):
                pytest.fail("it is taken")
    finally:
        lock.release()
    async with Supervisor([Child("a", command=SLEEP)], state_dir=state_dir) as tree:
        assert child_of(tree, "a")["state"] == "ready"


def read(file: Path) -> str:
    """Return what is in a file, nothing if it is not there."""
    return file.read_text() if file.exists() else ""
