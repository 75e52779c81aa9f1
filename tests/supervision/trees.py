"""Trees for these tests: written child by child, started for real, asked without a command in between."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from protocol.codec import FROM_CHILD, OPERATOR_REPLY, OPERATOR_REQUEST
from protocol.errors import NoAnswer, NoRoot
from protocol.messages.control import FromChild
from protocol.messages.operator import Answer, AskChange, AskStatus, OperatorRequest, StatusIs
from protocol.places import endpoint, find_root
from protocol.transport.zeromq import ask
from supervisor.host.proctable import NEWBORN, ProcessTable
from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess

ANSWER_S = 20.0
WORKERS = "tests.supervision.workers"
SLEEPS = ("sleep", "1000")
SLOW_TO_STOP = (
    "trap 'until [ -e go ]; do sleep 0.01; done; exit 0' TERM; echo up; while :; do sleep 9 & wait $!; done"
)
"""A script that obeys TERM only when the file ``go`` is in its directory."""
EAGER: Mapping[str, Any] = {
    "backoff": {"initial": "5ms", "factor": 1, "max": "5ms", "jitter": 0},
    "intensity": {"max_restarts": 100_000, "period": "1h"},
    "max_consecutive_failures": "infinity",
}
"""Keys of a child that may be restarted without end and almost without a wait."""


def supervisor(**keys: Any) -> str:
    """The section of the root."""
    return _section("[supervisor]", keys)


def group(name: str, **keys: Any) -> str:
    """A group of the tree file."""
    return _section("[[group]]", {"id": name, **keys})


def command(name: str, *argv: str, **keys: Any) -> str:
    """A child that is a program."""
    return _section("[[child]]", {"id": name, "command": list(argv), **keys})


def shell(name: str, script: str, **keys: Any) -> str:
    """A child that is a shell script."""
    return command(name, "sh", "-c", script, **keys)


def worker(name: str, start: str, config: Mapping[str, Any] | None = None, **keys: Any) -> str:
    """A Python child; ``start`` names a function of tests.supervision.workers, or ``module:function``."""
    target = start if ":" in start else f"{WORKERS}:{start}"
    return _section("[[child]]", {"id": name, "start": target, "config": config or {}, **keys})


def light(sections: Sequence[str]) -> Sequence[str]:
    """The sections; of a tree without Python children, one that says that nothing is to be preloaded."""
    if any(section.startswith("[supervisor]") or "\nstart = " in section for section in sections):
        return sections
    return [supervisor(preload=[]), *sections]


def _section(head: str, keys: Mapping[str, Any]) -> str:
    return "\n".join([head, *(f"{key} = {_toml(value)}" for key, value in keys.items())]) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


class TreeProcess(RootProcess):
    """A root in a process of its own, asked over its sockets."""

    def status(self) -> dict[str, Any]:
        """The status object; an empty one while there is no root that answers."""
        try:
            reply = self._ask(AskStatus(secrets.token_hex(8)))
        except (NoRoot, NoAnswer):
            return {}
        assert isinstance(reply, StatusIs)
        return reply.status

    def wait_answer(self) -> None:
        """Wait until the root answers."""

        def answers() -> bool:
            assert self.process.poll() is None, f"the root ended:\n{self.said()}"
            return bool(self.status())

        wait_until(answers, 30, what="the root to answer", state=self.said)

    def change(self, verb: str, *names: str, wait: bool = True, request: str | None = None) -> Answer:
        """Start, stop or restart children; the root's answer."""
        reply = self._ask(
            AskChange(
                request=request or secrets.token_hex(8),
                verb=verb,  # type: ignore[arg-type]  # one of the three words
                names=names,
                wait=wait,
            )
        )
        assert isinstance(reply, Answer)
        return reply

    def say(self, message: FromChild, child: str, incarnation: int) -> None:
        """Speak to the root as if this process were that incarnation of a child."""
        frame = FROM_CHILD.encode(message, stream=child, seq=incarnation)
        try:
            ask(self.endpoint("control"), frame, timeout=0.2, max_bytes=1024)
        except NoAnswer:
            return

    def endpoint(self, door: str) -> str:
        """The address of one of the root's sockets."""
        return endpoint(find_root(self.state_dir).runtime_dir, "root", door)  # type: ignore[arg-type]

    def child(self, name: str) -> dict[str, Any]:
        """One child of the status object."""
        return self.children()[name]

    def wait_for(self, name: str, **facts: Any) -> dict[str, Any]:
        """Wait until a child has these facts in the status object; return all of it."""

        def found() -> dict[str, Any] | None:
            assert self.process.poll() is None, f"the root ended:\n{self.said()}"
            child = self.children().get(name, {})
            return child if child and all(child[key] == value for key, value in facts.items()) else None

        seen = wait_until(found, ANSWER_S, what=f"{name} with {facts}", state=lambda: self._told(name))
        assert seen is not None
        return seen

    def wait_restarts(self, name: str, restarts: int) -> dict[str, Any]:
        """Wait until a child is ready after at least so many automatic restarts."""
        return wait_until(
            lambda: (
                (child := self.child(name))["restarts"] >= restarts and child["state"] == "ready" and child
            ),
            ANSWER_S,
            what=f"{restarts} restarts of {name}",
            state=lambda: self._told(name),
        )

    def events(self, child: str | None = None, event: str | None = None) -> list[dict[str, Any]]:
        """The supervision events so far, of one child and of one kind where these are named."""
        with sqlite3.connect(f"file:{self.state_dir / 'events.db'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT at_ms, body FROM records ORDER BY seq").fetchall()
        database.close()
        found = [{"at_ms": at_ms, **msgspec.msgpack.decode(body)} for at_ms, body in rows]
        return [
            one for one in found if child in (None, one.get("child")) and event in (None, one.get("event"))
        ]

    def log(self, name: str) -> str:
        """What is stored of one process's output."""
        path = self.state_dir / "log" / f"{name}.jsonl"
        return path.read_text() if path.exists() else ""

    def helper(self, name: str) -> int:
        """The pid of one of the root's helpers: forkserver, launcher."""
        found = wait_until(lambda: helpers(self.process.pid).get(f"sv-{name}"), what=f"the helper {name}")
        assert found is not None
        return found

    def _ask(self, request: OperatorRequest) -> Any:
        frame = OPERATOR_REQUEST.encode(request)
        answer = ask(self.endpoint("operator"), frame, timeout=ANSWER_S, max_bytes=OPERATOR_REPLY.max_bytes)
        return OPERATOR_REPLY.decode(answer)[1]

    def _told(self, name: str) -> object:
        return self.children().get(name), self.said()[-2000:]


def helpers(root: int) -> dict[str, int]:
    """The living direct children of a root, by the name that they show."""
    return {_comm(stat.pid): stat.pid for stat in ProcessTable().children(root) if not stat.zombie}


def reserve(root: TreeProcess) -> list[int]:
    """The processes that wait for the next command, as far as the root knows of them yet."""
    waiting = ProcessTable().children(root.helper("launcher"))
    known = _named_by_pidfds(root.process.pid)
    return [stat.pid for stat in waiting if stat.name == NEWBORN and not stat.zombie and stat.pid in known]


def _named_by_pidfds(holder: int) -> set[int]:
    """The processes for which a process holds a pidfd."""
    found = set()
    for info in Path(f"/proc/{holder}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found |= {int(line.split()[1]) for line in info.read_text().splitlines() if line[:4] == "Pid:"}
    return found


def state_of(pid: int) -> str:
    """The letter that the kernel shows for a process (``T``: suspended); empty when it is gone."""
    stat = ProcessTable().stat(pid)
    return "" if stat is None else stat.state


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    return state_of(pid) not in ("", "Z", "X")


def kill(pid: int) -> None:
    """SIGKILL a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def suspend(pid: int) -> None:
    """SIGSTOP a process and wait until it has taken it."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) == "T", what=f"{pid} to be suspended")


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
