"""A real ``supervisor start`` in a process of its own, for tests of the whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.support.deadline import wait_until

RUNTIME_DIR = "SUPERVISOR_RUNTIME_DIR"
COMMAND_TIMEOUT_S = 60
LIFELINE = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
"""A tree ends with the tests that have started it, however these end: its guardian sees to the rest."""


class RootProcess:
    """Starts a root on ``state_dir``; everything it brings forth is recognised by its runtime directory."""

    def __init__(self, state_dir: Path, runtime_dir: Path, *arguments: str) -> None:
        self.state_dir = state_dir
        self._runtime_dir = runtime_dir
        self.console = state_dir.parent / "console.txt"
        command = [sys.executable, "-m", "supervisor", "start", "--state-dir", str(state_dir), *arguments]
        with self.console.open("ab") as console:
            self.process = subprocess.Popen(
                [*LIFELINE, *command],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run another ``supervisor`` command against this root."""
        verb, *rest = arguments
        done = subprocess.run(
            [sys.executable, "-m", "supervisor", verb, "--state-dir", str(self.state_dir), *rest],
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def status(self) -> dict[str, Any]:
        """The status object; an empty one while there is no answer."""
        done = self.command("status", "--json", check=False)
        return dict(json.loads(done.stdout)) if done.returncode in {0, 3} else {}

    def children(self) -> dict[str, dict[str, Any]]:
        """The children of the status object by id."""
        return {child["id"]: child for child in self.status().get("children", [])}

    def states(self) -> dict[str, str]:
        """The state of every child."""
        return {name: child["state"] for name, child in self.children().items()}

    def wait_ready(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Wait until all of these are ready."""

        def all_ready() -> dict[str, dict[str, Any]]:
            assert self.process.poll() is None, f"the root ended:\n{self.said()}"
            children = self.children()
            return children if children and all(children[n]["state"] == "ready" for n in names) else {}

        return wait_until(all_ready, 30, what=f"{', '.join(names)} to be ready", state=self.said)

    def said(self) -> str:
        """What the root wrote to its terminal."""
        return self.console.read_text(errors="replace")

    def interrupt(self) -> int:
        """Ctrl+C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(COMMAND_TIMEOUT_S)

    def kill(self) -> None:
        """kill -9 of the root alone."""
        self.process.kill()
        self.process.wait(COMMAND_TIMEOUT_S)

    def living(self) -> list[str]:
        """Every process that came from this root and still runs, the root included; zombies do not run."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get(RUNTIME_DIR) == str(self._runtime_dir)
                if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(f"{process.pid} {' '.join(process.cmdline())[-90:]}")
            except psutil.Error:
                continue
        return found

    def end(self) -> None:
        """Stop it however it is."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
