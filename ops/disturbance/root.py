"""A root on a state directory: started, hit, started again, and asked."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psutil

from ops.disturbance.plan import FORKSERVER, ROOT, Blow
from protocol.codec import OPERATOR_REPLY, OPERATOR_REQUEST
from protocol.errors import FrameError, NoAnswer
from protocol.journal import open_readonly
from protocol.messages.operator import AskChange, AskStatus, StatusIs
from protocol.places import endpoint, runtime_dir
from protocol.transport.zeromq import ask

PATIENCE_S: Final = 120.0
ANSWER_S: Final = 5.0
LOOK_S: Final = 0.004
"""How often the position is looked at."""
LAST_WORDS: Final = 25


class Stuck(Exception):
    """The run does not go on; the message says what was waited for and what the root said last."""


class Root:
    """The root of one run, through all its lives."""

    def __init__(self, config: Path, state_dir: Path, sets: tuple[str, ...]) -> None:
        self.state_dir, self.starts = state_dir, 0
        words = [word for one in sets for word in ("--set", one)]
        self._command = [sys.executable, "-P", "-m", "supervisor", "start", "--config", str(config)]
        self._command += ["--state-dir", str(state_dir), "--paper", *words]
        self._console = state_dir / "console.txt"
        state_dir.mkdir(parents=True, exist_ok=True)
        self._door = endpoint(runtime_dir(state_dir), "root", "operator")
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again."""
        self.starts += 1
        with self._console.open("ab") as said:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )

    @property
    def exit_status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def handled(self) -> int:
        """How many rows are on the broker's books; 0 while there are none."""
        # Opened anew each time: a reader that stays would keep SQLite from recovering as after a real kill.
        try:
            with closing(open_readonly(self.state_dir / "data" / "broker.db")) as books:
                found = books.execute("SELECT seq FROM cursors WHERE source = 'feed'").fetchone()
        except sqlite3.OperationalError:  # not made yet, or in the hands of a broker that is coming up
            return 0
        return int(found[0]) if found else 0

    def await_row(self, row: int) -> bool:
        """Wait until the broker has handled ``row``; False when the run has ended instead."""
        last, since = -1, time.monotonic()
        while (now_at := self.handled()) < row:
            if self.exit_status is not None:
                return False
            if now_at != last:
                last, since = now_at, time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                raise Stuck(f"no row since row {last}; waited for row {row}\n{self.said()}")
            time.sleep(LOOK_S)
        return True

    def strike(self, blow: Blow) -> bool:
        """Do it, and start the root again if it was the victim; False when the run has ended instead."""
        if blow.victim == ROOT:
            return self._strike_root(blow)
        if blow.means == "restart":
            return self._ask_restart(blow.victim)
        return self._hit_somebody(blow)

    def end(self) -> int:
        """Wait for the end of the run; its exit status."""
        self.await_row(sys.maxsize)
        return self._process.wait()

    def kill(self) -> None:
        """Leave nothing of it."""
        if self.exit_status is None:
            self._process.kill()
        self._process.wait()

    def said(self) -> str:
        """The last lines it wrote."""
        return "\n".join(self._console.read_text(errors="replace").splitlines()[-LAST_WORDS:])

    def _strike_root(self, blow: Blow) -> bool:
        # It must have come up from the last blow, or it would be hit in its command line's own checks only.
        if self._status() is None or not _hit(self._process.pid, blow):
            return False
        self._process.wait(PATIENCE_S)
        self.start()
        return True

    def _hit_somebody(self, blow: Blow) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            status = self._status()
            if status is None:
                return False
            pid = _forkserver(status) if blow.victim == FORKSERVER else _pid(status, blow.victim)
            if pid is not None and _hit(pid, blow):
                return True
            time.sleep(LOOK_S)
        raise Stuck(f"{blow.victim} is not running, and was to be hit\n{self.said()}")

    def _ask_restart(self, child: str) -> bool:
        if self._status() is None:
            return False
        request = f"chaos-{os.getpid()}-{time.monotonic_ns()}"
        try:
            self._ask(AskChange(request=request, verb="restart", names=(child,), wait=False))
        except NoAnswer:
            return self.exit_status is None
        return True

    def _status(self) -> dict[str, Any] | None:
        """The status object; None when the run has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while self.exit_status is None and time.monotonic() < deadline:
            try:
                reply = self._ask(AskStatus("chaos"))
            except (NoAnswer, FrameError):
                continue
            return reply.status if isinstance(reply, StatusIs) else None
        if self.exit_status is None:
            raise Stuck(f"the root does not answer\n{self.said()}")
        return None

    def _ask(self, question: AskStatus | AskChange) -> Any:
        frame = OPERATOR_REQUEST.encode(question)
        answer = ask(self._door, frame, timeout=ANSWER_S, max_bytes=OPERATOR_REPLY.max_bytes)
        return OPERATOR_REPLY.decode(answer)[1]


def _hit(pid: int, blow: Blow) -> bool:
    """Send the signals; False when there is no such process any more."""
    try:
        if blow.means == "SIGTERM":
            os.kill(pid, signal.SIGTERM)
            return True
        if blow.means == "SIGSTOP+SIGKILL":
            os.kill(pid, signal.SIGSTOP)
            time.sleep(blow.pause_s)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _pid(status: dict[str, Any], child: str) -> int | None:
    return next((one["pid"] for one in status["children"] if one["id"] == child), None)


def _forkserver(status: dict[str, Any]) -> int | None:
    """The parent of the workers, as long as it is not the root itself (which adopts orphans)."""
    root = status["root"]["pid"]
    for pid in filter(None, (one["pid"] for one in status["children"])):
        try:
            parent = psutil.Process(pid).ppid()
        except psutil.Error:
            continue
        if parent not in (0, 1, root):
            return parent
    return None
