"""A root that answers, without processes and sockets, and a way to run commands against it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from protocol.codec import OPERATOR_REPLY, OPERATOR_REQUEST
from protocol.errors import NoAnswer
from protocol.messages.operator import (
    Answer,
    AskChange,
    AskReload,
    AskStatus,
    OperatorReply,
    OperatorRequest,
    Outcome,
    StatusIs,
)
from protocol.places import RootEntry, process_start_ticks, register
from supervisor.cli import cli
from supervisor.cli._surroundings import Surroundings
from supervisor.config import Tree
from supervisor.runtime import RunOptions

TREE = '[[child]]\nid = "feed"\ncommand = ["sleep", "60"]\n'


def child(name: str, **facts: Any) -> dict[str, Any]:
    """Return one child of a status object."""
    return {
        "id": name, "path": f"root/{name}", "type": "worker", "state": "ready", "wanted": True, "pid": 4713,
        "incarnation": 3, "health": "healthy", "uptime": 8.1, "restarts": 2, "restarts_total": 9,
        "restarts_in_window": 2, "max_restarts": 20, "period": 600.0, "consecutive_failures": 0,
        "next_restart_in": None, "waiting_for": None, "last_exit": None, "cpu_percent": 0.4,
        "memory": 31457280, "heartbeat_age": 0.4, "counters": {"loops": 100}, "last_error": None,
    } | facts  # fmt: skip


@dataclass
class FakeRoot:
    """Answers as the root would. ``silent``: so many questions get no answer; ``mistakes`` of its file."""

    state_dir: Path
    runtime_dir: Path
    children: list[dict[str, Any]] = field(default_factory=lambda: [child("feed")])
    answer: Callable[[AskChange], OperatorReply] = lambda ask: Answer(request=ask.request, ok=True)
    silent: int = 0
    mistakes: str = ""
    asked: list[OperatorRequest] = field(default_factory=list)

    def register(self, pid: int | None = None) -> None:
        """Be known as running; by default as this very process."""
        pid = os.getpid() if pid is None else pid
        ticks = process_start_ticks(pid) or 0
        register(RootEntry(pid, ticks, str(self.state_dir), "demo", str(self.runtime_dir), 1))

    def ask(self, endpoint: str, frame: bytes, *, timeout: float, max_bytes: int) -> bytes:
        """Take a frame, return one; NoAnswer while silent."""
        assert endpoint == f"ipc://{self.runtime_dir}/root.operator"
        _, request = OPERATOR_REQUEST.decode(frame)
        self.asked.append(request)
        if self.silent > 0:
            self.silent -= 1
            raise NoAnswer(endpoint, timeout)
        return OPERATOR_REPLY.encode(self._reply(request))

    def _reply(self, request: OperatorRequest) -> OperatorReply:
        if isinstance(request, AskStatus):
            return StatusIs(request.request, self.status())
        if isinstance(request, AskReload):
            return self.reloaded(request)
        return self.answer(request)

    def reloaded(self, request: AskReload) -> Answer:
        """Answer a reload as the root does: by an outcome of its own."""
        ok = not self.mistakes
        outcome = Outcome(child="root", ok=ok, detail=self.mistakes or "added: web", code=2)
        return Answer(request=request.request, ok=ok, code=0 if ok else 2, outcomes=(outcome,))

    def status(self) -> dict[str, Any]:
        """Return the status object."""
        root = {
            "pid": 4711, "state": "running", "uptime": 12.3, "health": "healthy", "config": "demo",
            "demo": True, "state_dir": str(self.state_dir), "version": "0.1.0",
        }  # fmt: skip
        return {"schema": 1, "root": root, "children": self.children}


@dataclass
class Shell:
    """Runs commands in a directory of its own and keeps what the root was started with."""

    cwd: Path
    root: FakeRoot
    environ: dict[str, str] = field(default_factory=dict)
    runs: list[tuple[Tree, RunOptions]] = field(default_factory=list)
    run_code: int = 0
    run_error: Exception | None = None
    moments: list[Callable[[], None]] = field(default_factory=list)

    def __call__(self, *arguments: str) -> Result:
        """Run a command line."""
        here = Surroundings(
            environ=self.environ,
            cwd=self.cwd,
            ask=self.root.ask,
            run=self.run,
            wait=self.wait,
            is_root_module=True,
        )
        return CliRunner().invoke(cli, list(arguments), obj=here, prog_name="supervisor")

    def run(self, tree: Tree, options: RunOptions) -> int:
        """Stand in for the runtime."""
        if self.run_error is not None:
            raise self.run_error
        self.runs.append((tree, options))
        return self.run_code

    def wait(self, _seconds: float) -> None:
        """Let the next of ``moments`` happen; after the last one the operator presses Ctrl+C."""
        if not self.moments:
            raise KeyboardInterrupt
        self.moments.pop(0)()

    def write(self, text: str = TREE, name: str = "supervisor.toml") -> Path:
        """Write a tree file."""
        path = self.cwd / name
        path.write_text(text)
        return path


@pytest.fixture
def root(tmp_path: Path, runtime_dir: Path) -> FakeRoot:
    """A root that nobody knows yet."""
    state_dir = tmp_path / "var"
    state_dir.mkdir()
    return FakeRoot(state_dir, runtime_dir)


@pytest.fixture
def shell(tmp_path: Path, root: FakeRoot) -> Shell:
    """A shell in an empty directory, with an empty home."""
    cwd = tmp_path / "here"
    cwd.mkdir()
    return Shell(cwd, root, {"HOME": str(tmp_path), "PATH": os.environ["PATH"]})
