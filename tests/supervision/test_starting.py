"""Points 9 to 14: births, and what can go wrong at each moment of one."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from protocol.codec import OPERATOR_REQUEST
from protocol.messages.control import Ready
from protocol.messages.operator import AskStatus
from supervisor.engine.events import ExitStatus
from supervisor.host.proctable import ProcessTable
from tests.host.rig import Rig, puppet, with_rig
from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.supervision.trees import TreeProcess
from tests.support.deadline import wait_until

HELPERS = {"sv-forkserver", "sv-launcher"}


def threads(pid: int) -> int:
    """How many threads a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.mark.req("S1")
def test_09_the_threaded_root_forks_nobody_itself(grow: Grow) -> None:
    """A fork of a process with threads inherits locks that nobody will open: children come from the helpers.

    These have one thread each, and the root has no other children than them and the resource tracker.
    """
    root = grow(trees.worker("w", "serves"), trees.command("c", *trees.SLEEPS))
    children = root.wait_ready(["w", "c"])
    parents = {name: ProcessTable().stat(child["pid"]) for name, child in children.items()}
    helpers = trees.helpers(root.process.pid)

    assert threads(root.process.pid) > 1
    assert {name: stat and stat.parent for name, stat in parents.items()} == {
        "w": helpers["sv-forkserver"],
        "c": helpers["sv-launcher"],
    }
    assert len(ProcessTable().children(root.process.pid)) == len(helpers) == len(HELPERS) + 1
    assert [threads(helpers[name]) for name in HELPERS] == [1, 1]


@pytest.mark.req("S4")
@with_rig
async def test_10_child_inherits_neither_handlers_nor_wakeup(rig: Rig) -> None:
    """TERM to a child ran the handler of its parent, or woke the parent's loop: a newborn has none of it."""
    rig.loop.add_signal_handler(signal.SIGTERM, lambda: None)
    try:
        await rig.ends(puppet("a", 1, "tests.supervision.workers:tells_what_it_inherited"))
        assert await rig.last_words("a") == "handled [] wakeup -1\n"
        assert (
            await rig.ends(puppet("b", 1, "kills_itself", signal=int(signal.SIGTERM)))
        ).status == ExitStatus(signal="SIGTERM")
    finally:
        rig.loop.remove_signal_handler(signal.SIGTERM)


@pytest.mark.req("S4")
def test_10_term_to_a_child_ends_that_child_and_not_the_root(grow: Grow) -> None:
    """The root took the signal for its own, and the tree stopped: here one child is back, and no more."""
    root = grow(trees.worker("w", "tests.support.puppets:runs", ready="immediate"))
    root.wait_ready(["w"])
    wait_until(lambda: "up " in root.log("w"), what="the worker to run")

    os.kill(root.child("w")["pid"], signal.SIGTERM)

    assert root.wait_restarts("w", 1)["last_exit"]["signal"] == "SIGTERM"
    assert root.status()["root"]["state"] == "running"


@pytest.mark.req("S8")
@with_rig
async def test_11_unsent_words_do_not_hold_up_the_end(rig: Rig, tmp_path: Path) -> None:
    """ZeroMQ waited for ever for a peer that is not there: the exit is hard, and its code is kept."""
    start = "tests.supervision.workers:leaves_unsent_words"
    exited = await rig.ends(puppet("a", 1, start, nowhere=str(tmp_path / "nowhere")))

    assert exited.status == ExitStatus(code=7)


@pytest.mark.req("S8")
def test_11_client_that_never_reads_does_not_hold_up_the_end_of_the_root(grow: Grow) -> None:
    """Answers that nobody takes linger: the root ends nevertheless, with 0."""
    root = grow(trees.command("c", *trees.SLEEPS))
    root.wait_ready(["c"])
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.setsockopt(zmq.RCVHWM, 1)
        client.connect(root.endpoint("operator"))
        for number in range(2000):
            client.send(OPERATOR_REQUEST.encode(AskStatus(str(number))))

        assert root.status()["root"]["state"] == "running"
        assert root.interrupt() == 0, root.said()


@pytest.mark.req("S3")
@pytest.mark.req("S10")
def test_12_ready_death_and_deadline_are_waited_for_together(grow: Grow) -> None:
    """A death during the start was noticed at the deadline only; one that is never ready hung the tree."""
    root = grow(
        trees.worker("good", "serves", ready_timeout="1h"),
        trees.worker(
            "dies",
            "tests.support.puppets:exits_with",
            {"code": 3},
            ready_timeout="1h",
            max_consecutive_failures=0,
        ),
        trees.worker("never", "never_ready", ready_timeout="300ms", max_consecutive_failures=0),
    )
    root.wait_ready(["good"])
    dead, late = root.wait_for("dies", state="parked"), root.wait_for("never", state="parked")

    assert (dead["last_exit"]["code"], dead["last_exit"]["reason"]) == (3, "crashed")
    assert late["last_exit"]["reason"] == "start_timeout"


@pytest.mark.req("S3")
def test_12_late_ready_of_an_older_incarnation_is_dropped(grow: Grow, tmp_path: Path) -> None:
    """The first life's "ready" came after its death and made the second one ready before it was."""
    flag = tmp_path / "go"
    root = grow(trees.worker("w", "serves_soon", {"file": str(flag)}, heartbeat="none"))
    first = root.wait_for("w", state="starting", incarnation=1)
    wait_until(lambda: root.child("w")["pid"], what="its birth")
    os.kill(root.child("w")["pid"], signal.SIGKILL)
    root.wait_for("w", state="starting", incarnation=2)

    root.say(Ready(first["pid"] or 0), "w", 1)

    assert root.child("w")["state"] == "starting"
    flag.touch()
    root.wait_for("w", state="ready", incarnation=2)


def before_the_fork(root: TreeProcess, arm: Callable[[], object]) -> None:
    """Have the helpers do nothing: an order to start is under way, and there is no process yet."""
    wait_until(lambda: trees.reserve(root), what="the newborn in reserve")
    for name in ("forkserver", "launcher"):
        trees.suspend(root.helper(name))
    for pid in trees.reserve(root):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not trees.reserve(root), what="the end of the newborn in reserve")
    arm()
    root.wait_for("w", state="starting", pid=None)


def during_the_import(root: TreeProcess, arm: Callable[[], object]) -> None:
    """Wait until the child's module is being imported."""
    arm()
    wait_until(lambda: "importing" in root.log("w"), what="the import")


def before_ready(root: TreeProcess, arm: Callable[[], object]) -> None:
    """Wait until the worker, its handlers installed, is being built."""
    arm()
    wait_until(lambda: "being built" in root.log("w"), what="the preparations")


def whole_worker(start: str) -> str:
    """The child ``w`` of these trees: one with a stop of its own."""
    return trees.worker("w", start, shutdown="20s")


PROGRAM = trees.shell("w", "trap 'exit 0' TERM; while :; do sleep 9 & wait $!; done", shutdown="20s")
MOMENTS = [
    pytest.param(before_the_fork, whole_worker("serves"), id="before-the-fork"),
    pytest.param(before_the_fork, PROGRAM, id="before-the-exec"),
    pytest.param(
        during_the_import, whole_worker("tests.supervision.slow_module:main"), id="during-the-import"
    ),
    pytest.param(before_ready, whole_worker("waits_while_built"), id="before-ready"),
]
Moment = Callable[[TreeProcess, Callable[[], object]], None]


def grown_to(moment: Moment, grow: Grow, child: str) -> TreeProcess:
    """A tree whose child ``w`` is at that moment of a start."""
    root = grow(child, trees.command("idle", *trees.SLEEPS))
    if moment is before_the_fork:
        root.wait_ready(["w"])
        root.change("stop", "w")
    moment(root, lambda: root.change("start", "w", wait=False))
    return root


def wake_helpers(root: TreeProcess) -> None:
    """Let suspended helpers go on."""
    for name in ("forkserver", "launcher"):
        os.kill(root.helper(name), signal.SIGCONT)


@pytest.mark.req("S3")
@pytest.mark.req("O3")
@pytest.mark.parametrize(("moment", "child"), MOMENTS)
def test_13_stop_of_a_child_wins_at_every_moment_of_its_start(grow: Grow, moment: Moment, child: str) -> None:
    """A TERM before the handlers were there was lost, and the child that was to stop came up."""
    root = grown_to(moment, grow, child)

    root.change("stop", "w", wait=False)
    wake_helpers(root)
    root.wait_for("w", state="stopped", pid=None, wanted=False)

    assert "Traceback" not in root.log("w")
    last_spawn = root.child("w")["incarnation"]
    assert not [e for e in root.events("w", "ready") if e["incarnation"] == last_spawn]


@pytest.mark.req("S8")
@pytest.mark.parametrize(("moment", "child"), MOMENTS)
def test_13_term_of_the_root_wins_at_every_moment_of_a_start(grow: Grow, moment: Moment, child: str) -> None:
    """A root that was starting a child did not hear TERM, or left the child behind."""
    root = grown_to(moment, grow, child)

    root.process.terminate()
    wait_until(
        lambda: (status := root.status()) == {} or status["root"]["state"] == "stopping", what="the stop"
    )
    if moment is before_the_fork and root.process.poll() is None:
        wake_helpers(root)

    assert root.process.wait(30) == 0, root.said()
    assert root.living() == []


@pytest.mark.req("S10")
@pytest.mark.req("S6")
def test_14_each_cause_is_told_as_what_it_is(grow: Grow, tmp_path: Path) -> None:
    """That it "exited too quickly" was all that was said: each has its sentence, and what lasts is parked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        root = grow(
            trees.command("exec", "/no/such/program"),
            trees.worker("import", "tests.supervision.broken_module:main"),
            trees.worker("config", "workers.feed:main", {"sped": 3, "on_end": "idle"}),
            trees.worker("port", "binds_a_port", {"port": port}, backoff={"initial": "1h", "max": "1h"}),
            trees.command("fine", *trees.SLEEPS),
        )
        found = {
            name: root.wait_for(name, state=state)
            for name, state in {
                "exec": "parked",
                "import": "parked",
                "config": "parked",
                "port": "backoff",
            }.items()
        }

    said = {name: child["last_error"] for name, child in found.items()}
    assert "command not found: '/no/such/program'" in said["exec"]
    assert "the library is of another release" in said["import"]
    assert "sped" in said["config"]
    assert "Address already in use" in said["port"]
    assert {name: child["last_exit"]["reason"] for name, child in found.items()} == {
        "exec": "config",
        "import": "config",
        "config": "config",
        "port": "crashed",
    }
    assert {name: len(root.events(name, "restarting")) for name in found} == {
        "exec": 0, "import": 0, "config": 0, "port": 1,
    }  # fmt: skip
    root.wait_for("fine", state="ready")
