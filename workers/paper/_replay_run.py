"""Runs a replay as a process of its own and reads what came of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from protocol.codec import EVENTS
from protocol.journal import open_readonly, read_records
from workers.paper._databases import opened
from workers.paper._failure import Failure
from workers.paper._replay_tree import ReplayTree

LOOK_S: Final = 0.25
"""How often a run is looked at."""
LAST_WORDS: Final = 12
PLAIN: Final = frozenset({"time", "level", "process", "message", "symbol"})
"""Keys of a log line that are no facts of its own."""
STUCK: Final = frozenset({"parked", "held"})


@dataclass(frozen=True)
class Happened:
    """One event of the run, and when, in UTC milliseconds; who asked for it and why, where that is told."""

    event: str
    child: str | None
    at_ms: int
    by: str | None
    detail: str | None


@dataclass(frozen=True)
class Result:
    """What a replay came to."""

    candles: int
    seconds: float
    orders: int
    fills: int
    digest: str

    @property
    def candles_per_second(self) -> float:
        """The rate."""
        return self.candles / self.seconds if self.seconds else float(self.candles)


def replay(tree: ReplayTree, state_dir: Path, *, hidden: bool = False) -> Result:
    """Run ``tree`` on ``state_dir`` to the end of its recording. Fails in words when that is not reached.

    ``hidden``: other commands do not find this root, and its state directory is not remembered as one of
    the user's.
    """
    console = state_dir / "console.txt"
    command = ["start", "--config", tree.file, "--state-dir", str(state_dir), "--paper"]
    command += [word for one in tree.sets for word in ("--set", one)]
    places = {"SUPERVISOR_TEMPORARY": "1"}  # no other command takes it for the user's own unless it is named
    if hidden:
        places["SUPERVISOR_RUNTIME_DIR"] = str(state_dir / "run")
    with console.open("wb") as said, _running(command, said.fileno(), os.environ | places) as root:
        stuck = _watch(root, tree, state_dir)
    if stuck is not None:
        why = stuck.detail or f"the replay cannot go on\n{_last_words(console)}"
        raise Failure(f"{stuck.child} is {stuck.event}: {why}")
    if root.returncode:
        raise Failure(f"the replay ended with exit status {root.returncode}\n{_last_words(console)}")
    return _result(tree, state_dir)


def warnings(tree: ReplayTree, state_dir: Path) -> list[str]:
    """Return what the feed had to say against the recording, each sentence once."""
    found: dict[str, None] = {}
    for line in (state_dir / "log" / f"{tree.feed}.jsonl").read_bytes().splitlines():
        record = msgspec.json.decode(line)
        if record["level"] == "WARNING":
            facts = (f"{key}={record[key]}" for key in record if key not in PLAIN)
            found.setdefault(" ".join([record["message"], *facts]))
    return list(found)


@contextmanager
def _running(command: list[str], said: int, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    root = subprocess.Popen(
        [sys.executable, "-P", "-m", "supervisor", *command],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
    )
    try:
        yield root
    finally:
        # After Ctrl+C it has had the same signal and is stopping already; asking in order does no harm.
        if root.poll() is None:
            root.terminate()
        root.wait()


def _watch(root: subprocess.Popen[bytes], tree: ReplayTree, state_dir: Path) -> Happened | None:
    """Wait for the end; return at once when a member is parked, which nobody would ever change."""
    while True:
        try:
            root.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            bad = [it for it in events(state_dir) if it.event in STUCK and it.child in tree.members]
            if bad:
                return bad[-1]
        else:
            return None


def events(state_dir: Path) -> list[Happened]:
    """Return what the root has recorded so far; nothing while it has no journal yet."""
    path = state_dir / "events.db"
    if not path.exists():
        return []
    try:
        with closing(open_readonly(path)) as connection:
            records = read_records(connection, after=0, limit=1_000_000)
    except sqlite3.OperationalError:  # it is being made at this moment
        return []
    told = [(record.at_ms, EVENTS.decode(record.body)) for record in records]
    return [
        Happened(it.event, it.child, at_ms, it.facts.get("by"), it.facts.get("detail")) for at_ms, it in told
    ]


def _result(tree: ReplayTree, state_dir: Path) -> Result:
    from workers.broker.store import digest  # late: the broker's room brings all that a process needs

    told = events(state_dir)
    begun = [it.at_ms for it in told if it.event == "spawned" and it.child == tree.feed]
    ended = [it.at_ms for it in told if it.event == "stop_asked" and it.by == tree.broker]
    if not begun or not ended:
        console = state_dir / "console.txt"
        raise Failure(f"the replay was stopped before its end\n{_last_words(console)}")
    with opened(state_dir / "data" / f"{tree.broker}.db") as books:
        return Result(
            candles=_count(books, "SELECT seq - 1 FROM cursors WHERE source = ?", tree.feed),
            seconds=(ended[-1] - begun[0]) / 1000,
            orders=_count(books, "SELECT count(*) FROM orders"),
            fills=_count(books, "SELECT count(*) FROM fills"),
            digest=digest(books),
        )


def _count(books: sqlite3.Connection, query: str, *parameters: str) -> int:
    return int(books.execute(query, parameters).fetchone()[0])


def _last_words(console: Path) -> str:
    return "\n".join(console.read_text(errors="replace").splitlines()[-LAST_WORDS:])
