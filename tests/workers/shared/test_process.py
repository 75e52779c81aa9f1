"""Real worker processes, with and without a root: birth, beats, stop, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.codec import FROM_CHILD, TO_CHILD
from protocol.messages.control import Beat, Done, DoneNoted, FromChild, Launch, Ready
from protocol.places import endpoint
from protocol.transport.zeromq import ZeromqTransport
from tests.support.deadline import until, wait_until
from tests.workers.feed.candles import rows, write
from tests.workers.shared.program import BUILDING

DEADLINE_S = 20.0

pytestmark = pytest.mark.leaves_sockets
"""ZeroMQ leaves the files of its sockets behind; the next bind takes their place."""


class Started:
    """Worker processes of one test, in one state and runtime directory."""

    def __init__(self, folder: Path, runtime_dir: Path) -> None:
        self.folder, self.runtime_dir = folder, runtime_dir
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *, stdout: int = subprocess.PIPE, **config: Any) -> subprocess.Popen[bytes]:
        """Start the worker ``name`` of tests.workers.shared.program."""
        launch = Launch(
            child=name,
            path=f"root/{name}",
            incarnation=1,
            runtime_dir=str(self.runtime_dir),
            state_dir=str(self.folder),
            config_dir=str(self.folder),
            heartbeat=0.05,
            config=config,
        )
        command = [sys.executable, "-m", "tests.workers.shared.program", name]
        process = subprocess.Popen([*command, msgspec.json.encode(launch).decode()], stdout=stdout)
        self.processes.append(process)
        return process

    def end(self) -> None:
        """Kill what still lives and close the pipes."""
        for process in self.processes:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def started(tmp_path: Path, runtime_dir: Path) -> Iterator[Started]:
    """Give a starter of workers and end them."""
    made = Started(tmp_path, runtime_dir)
    try:
        yield made
    finally:
        made.end()


class Root:
    """The other end of the control conversation."""

    def __init__(self, runtime_dir: Path, *, notes_done: bool = True) -> None:
        self.heard: list[FromChild] = []
        self.notes_done = notes_done
        self._transport = ZeromqTransport()
        self._door = self._transport.router(
            endpoint(runtime_dir, "root", "control"), self._on_frame, max_bytes=FROM_CHILD.max_bytes
        )

    def close(self) -> None:
        """Close the door."""
        self._transport.close()

    async def hears(self, condition: Callable[[list[FromChild]], bool]) -> None:
        """Wait until what was heard fulfils the condition."""
        await until(lambda: condition(self.heard), DEADLINE_S)

    def beats(self) -> list[Beat]:
        """Return the beats."""
        return [message for message in self.heard if isinstance(message, Beat)]

    def _on_frame(self, identity: bytes, frame: bytes) -> None:
        envelope, message = FROM_CHILD.decode(frame)
        self.heard.append(message)
        if isinstance(message, Done) and self.notes_done:
            self._door.send(identity, TO_CHILD.encode(DoneNoted(), stream=envelope.stream, seq=envelope.seq))


def with_root(
    started: Started, body: Callable[[Root], Coroutine[Any, Any, None]], *, notes_done: bool = True
) -> None:
    async def whole() -> None:
        root = Root(started.runtime_dir, notes_done=notes_done)
        try:
            await body(root)
        finally:
            root.close()

    asyncio.run(whole())


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[dict[str, Any]]]:
    output, _ = process.communicate(timeout=DEADLINE_S)
    records = [json.loads(frame.split(b"\n")[0]) for frame in output.split(b"\x1e")[1:]]
    return process.returncode, records


def read_until(process: subprocess.Popen[bytes], part: bytes) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if part in line:
            return
    pytest.fail(f"it ended without saying {part!r}")


@pytest.mark.req("S3", "S8")
def test_ready_beats_and_orderly_stop(started: Started) -> None:
    """Ready comes first, beats follow, SIGTERM ends it with 0."""

    async def body(root: Root) -> None:
        process = started.start("plain")
        await root.hears(lambda heard: len(heard) > 5)
        process.send_signal(signal.SIGTERM)
        code, records = await asyncio.to_thread(ended, process)

        assert Ready(process.pid) == root.heard[0]
        assert all(isinstance(message, Beat) for message in root.heard[1:])
        assert (0, ["ready", "stopped"]) == (code, [record["message"] for record in records])

    with_root(started, body)


@pytest.mark.req("S4")
def test_beats_flow_at_full_speed_of_a_replay(started: Started) -> None:
    """A worker that has work without end still beats at its interval, and hears SIGTERM."""
    write(started.folder / "candles.csv", rows([100 + n % 13 for n in range(300)]))

    async def body(root: Root) -> None:
        feed = started.start("feed", file="candles.csv", on_end="loop")
        reader = started.start("reader")
        await root.hears(lambda _: sum(beat.loops > 200 for beat in root.beats()) > 10)
        for process in (reader, feed):
            process.send_signal(signal.SIGTERM)
            assert (await asyncio.to_thread(ended, process))[0] == 0

    with_root(started, body)


@pytest.mark.req("H4")
def test_terminal_gets_readable_lines(started: Started) -> None:
    """Where stdout is a terminal, the same records are lines for people."""
    ours, theirs = pty.openpty()
    try:
        process = started.start("plain", stdout=theirs)
        os.close(theirs)
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(ours, 1)
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE_S)
    finally:
        os.close(ours)

    assert b"INFO     plain     ready incarnation=1\r\n" == line[9:]


@pytest.mark.req("S8")
def test_term_during_the_start_wins(started: Started) -> None:
    """A worker that is told to stop while it is being built never becomes ready, and ends with 0."""
    process = started.start("slow")
    read_until(process, BUILDING.strip())
    process.send_signal(signal.SIGTERM)
    code, records = ended(process)

    assert 0 == code
    assert "ready" not in [record["message"] for record in records]


@pytest.mark.req("S8")
def test_sigint_is_a_stop_as_well(started: Started) -> None:
    """Ctrl+C on a worker that runs alone in the foreground is an orderly stop."""
    process = started.start("plain")
    read_until(process, b'"ready"')
    process.send_signal(signal.SIGINT)

    assert 0 == ended(process)[0]


def test_works_without_a_root(started: Started) -> None:
    """Feed and strategy go on alone: nobody listens to their beats."""
    write(started.folder / "candles.csv", rows([100 + (n * n) % 17 for n in range(300)]))
    feed = started.start("feed", file="candles.csv")
    strategy = started.start("strategy", mode="paper")
    database = started.folder / "data" / "strategy.db"
    wait_until(lambda: _cursor(database) == 301, DEADLINE_S)
    for process in (feed, strategy):
        process.send_signal(signal.SIGTERM)
        assert 0 == ended(process)[0]


def _cursor(database: Path) -> int | None:
    if not database.exists():
        return None
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        found = connection.execute("SELECT seq FROM cursors").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return int(found[0]) if found else None


@pytest.mark.req("S6")
@pytest.mark.parametrize(
    ("name", "config", "told"),
    [
        ("feed", {"file": "none.csv"}, "none.csv: no such file"),
        ("feed", {"fiel": "x"}, "feed.config.fiel"),
        ("feed", {"source": "exchange", "exchange": "nowhere"}, "feed.config.exchange"),
        ("strategy", {"strategy": "nothing"}, "strategy.config.strategy"),
        ("strategy", {"mode": "real"}, "strategy.config.mode"),
    ],
)
def test_what_a_person_must_mend_is_78(
    started: Started, name: str, config: dict[str, Any], told: str
) -> None:
    """One CRITICAL record with the sentence is the last word; starting again would be no use."""
    code, records = ended(started.start(name, **config))

    assert 78 == code
    assert [("CRITICAL", True)] == [(record["level"], told in record["message"]) for record in records]
    assert "exception" not in records[0]


@pytest.mark.req("S6", "B5")
def test_foreign_database_is_78(started: Started) -> None:
    """A file that is no journal is left alone, and told."""
    (started.folder / "data").mkdir()
    path = started.folder / "data" / "plain.db"
    path.write_bytes(b"this is no database, and was none before" * 100)
    before = path.read_bytes()
    code, records = ended(started.start("plain"))

    assert (78, "CRITICAL") == (code, records[-1]["level"])
    assert str(path) in records[-1]["message"]
    assert before == path.read_bytes()


@pytest.mark.req("S6")
@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("crashing", "RuntimeError: boom"),
        ("failing", "OSError: service lost"),
        ("stray", "KeyError"),
    ],
)
def test_any_other_error_is_1_with_its_traceback(started: Started, name: str, error: str) -> None:
    """Whether the core, a service or a callback of the loop fails: CRITICAL, traceback, exit 1."""
    code, records = ended(started.start(name))

    assert (1, "CRITICAL") == (code, records[-1]["level"])
    assert error in records[-1]["exception"]


def test_services_are_ended_in_order(started: Started) -> None:
    """A service is cancelled at the stop and has its last words."""
    process = started.start("cleaning")
    read_until(process, b'"ready"')
    process.send_signal(signal.SIGTERM)
    code, records = ended(process)

    assert (0, ["service ended", "stopped"]) == (code, [record["message"] for record in records])


@pytest.mark.req("S8")
def test_done_is_said_until_noted(started: Started) -> None:
    """Done is repeated each second; once the root has noted it, no more."""

    async def body(root: Root) -> None:
        started.start("done")
        await root.hears(lambda heard: sum(isinstance(m, Done) for m in heard) >= 1)
        root.notes_done = True
        await root.hears(lambda heard: sum(isinstance(m, Done) for m in heard) >= 2)
        beats = len(root.beats())
        await root.hears(lambda _: len(root.beats()) > beats + 30)

        assert 2 == sum(isinstance(message, Done) for message in root.heard)

    with_root(started, body, notes_done=False)


@pytest.mark.req("H4", "S4")
def test_a_stuck_reader_of_the_log_stops_nobody(started: Started) -> None:
    """With a full pipe the worker goes on and beats; later the log tells how many records were lost."""

    async def body(root: Root) -> None:
        process = started.start("chatting")
        await root.hears(lambda _: len(root.beats()) > 20)
        assert process.stdout is not None
        seen = b""
        began = time.monotonic()
        while b'"log records dropped"' not in seen and time.monotonic() < began + DEADLINE_S:
            seen = seen[-1000:] + await asyncio.to_thread(process.stdout.read1, 65_536)  # type: ignore[attr-defined]
        assert b'"log records dropped"' in seen

    with_root(started, body)


@pytest.mark.req("T1")
def test_killed_strategy_goes_on_where_it_was(started: Started) -> None:
    """After kill -9 at any moment the next life has the same signals as an undisturbed run."""
    closes = [100 + (n * n) % 17 for n in range(3000)]
    write(started.folder / "candles.csv", rows(closes))
    started.start("feed", file="candles.csv", speed=60_000)
    database = started.folder / "data" / "strategy.db"
    victim = started.start("strategy", mode="paper", parameters={"fast": 2, "slow": 5})
    for position in (200, 900, 1700):
        wait_until(lambda at=position: (_cursor(database) or 0) > at, DEADLINE_S)  # type: ignore[misc]
        victim.kill()
        victim.wait()
        victim = started.start("strategy", mode="paper", parameters={"fast": 2, "slow": 5})
    wait_until(lambda: _cursor(database) == 3001, DEADLINE_S)

    assert _expected_rows(closes) == _signal_rows(database)


def _signal_rows(database: Path) -> list[int]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        return [row for (row,) in connection.execute("SELECT row FROM signals ORDER BY id")]
    finally:
        connection.close()


def _expected_rows(closes: list[int]) -> list[int]:
    found, last = [], 0
    for end in range(5, len(closes) + 1):
        difference = sum(closes[end - 2 : end]) * 5 - sum(closes[end - 5 : end]) * 2
        sign = (difference > 0) - (difference < 0)
        if sign and last and sign != last:
            found.append(end)
        last = sign or last
    return found
