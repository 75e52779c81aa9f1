"""A recording from its first row to its last, and a reader that is far behind.

``replay.pipelined``: a strategy that may run ahead; ``replay.lockstep``: one that hears the fills of each row
first. Both by `paper replay` on the demo's recording, the best of the samples. Their floor: the same rows
over two bare hops of pyzmq and into two bare SQLite files, 500 rows at a time and row by row.

``replay.behind``: the records a second that a reader gets of a journal of which it has read nothing, while
the producer goes on (floor: read from one bare SQLite file and counted in another, 500 at a time);
``replay.behind.producer.p99``: how far apart the producer's words are then, which it means to say every
10 ms (floor: with nobody who reads).
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from ops.benches import demo
from ops.benches.behind_children import ROWS_A_STEP
from ops.benches.floors import bare_hops
from ops.benches.row import Row, percentile
from ops.benches.running import PATIENCE_S, TooSlow, tree
from protocol.journal import open_readonly, read_records

KINDS = {"pipelined": (), "lockstep": ("--set", 'strategy.inputs=["feed","broker"]')}
FLOOR_SAMPLES = 200
ROW_BYTES = 150
TREE = """\
[supervisor]
preload = ["ops.benches.behind_children"]
[[child]]
id = "talker"
start = "ops.benches.behind_children:talker"
ready_timeout = "10m"
[child.config]
said = {said}
[[child]]
id = "reader"
start = "ops.benches.behind_children:reader"
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how often, on what, and how far behind."""
    parser.add_argument("--samples", type=int, default=3, help="replays of each kind")
    parser.add_argument("--file", type=Path, help="another recording (candles or trades)")
    parser.add_argument("--behind", type=int, default=1_000_000, help="records that the reader has missed")


def run(options: argparse.Namespace) -> Iterator[Row]:
    """Replay in both ways, then let somebody catch up."""
    (recording,) = (options.file,) if options.file else demo.tree_file().parent.glob("*.csv.gz")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for kind, words in KINDS.items():
            rates = [_replayed(recording, words) for _ in range(options.samples)]
            floor = _bare_rate(ROWS_A_STEP if kind == "pipelined" else 1, Path(folder))
            yield Row(f"replay.{kind}", max(rates), "candles/s", floor, len(rates))
    yield from _behind(options.behind)


def _replayed(recording: Path, words: tuple[str, ...]) -> float:
    command = [sys.executable, "-P", "-c", "from workers.paper import main; main()", "replay", str(recording)]
    command += ["--set", "feed.time=close", "--set", "feed.volume=quote", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TooSlow(f"the replay failed: {done.stderr.strip()}")
    return float(json.loads(done.stdout)["candles_per_second"])


def _bare_rate(rows: int, folder: Path) -> float:
    """Rows a second, when so many at a time go over two hops and into two files."""
    body = bytes(ROW_BYTES)
    with bare_hops(2) as hops, _BareFile(folder / f"{rows}") as write:
        began = time.perf_counter()
        for _ in range(FLOOR_SAMPLES):
            hops.sample()
            for _ in range(2):
                write([body] * rows)
        return FLOOR_SAMPLES * rows / (time.perf_counter() - began)


class _BareFile:
    """A SQLite file in WAL mode, written by one transaction a call."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, body BLOB)")

    def __enter__(self) -> Callable[[list[bytes]], None]:
        return self._write

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _write(self, bodies: list[bytes]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO records (body) VALUES (?)", [(body,) for body in bodies])
        self._connection.execute("COMMIT")


def _behind(count: int) -> Iterator[Row]:
    with tree(TREE.format(said=count)) as running:
        running.wait_all_ready(2)
        came_ms, began = time.time() * 1000, time.perf_counter()
        data = running.state_dir / "data"
        _await_cursor(data / "reader.db", count)
        rate, done_ms = count / (time.perf_counter() - began), time.time() * 1000
        floor = _bare_reading(data / "talker.db", running.state_dir / "floor", count)
        said = _said(data / "talker.db", after=count)
    yield Row("replay.behind", rate, "records/s", floor, 1)
    alone = _gaps_ms([at for at in said if at < came_ms], count)
    beside = _gaps_ms([at for at in said if came_ms <= at <= done_ms], count)
    yield Row("replay.behind.producer.p99", percentile(beside, 99), "ms", percentile(alone, 99), len(beside))


def _await_cursor(path: Path, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with closing(open_readonly(path)) as reader:
        while (reader.execute("SELECT max(seq) FROM cursors").fetchone()[0] or 0) < wanted:
            if time.monotonic() > deadline:
                raise TooSlow(f"the reader did not come to record {wanted} within {PATIENCE_S} s")
            time.sleep(0.05)


def _bare_reading(source: Path, target: Path, count: int) -> float:
    done = 0
    with closing(open_readonly(source)) as journal, _BareFile(target) as write:
        began = time.perf_counter()
        while done < count:
            done = read_records(journal, after=done, limit=ROWS_A_STEP)[-1].seq
            write([b"cursor"])
        return done / (time.perf_counter() - began)


def _said(path: Path, after: int) -> list[int]:
    with closing(open_readonly(path)) as journal:
        return [record.at_ms for record in read_records(journal, after=after, limit=1_000_000)]


def _gaps_ms(times: list[int], behind: int) -> list[float]:
    gaps = [float(then - now) for now, then in pairwise(times)]
    if not gaps:
        raise TooSlow(f"{behind} records are read before the producer says two words: take a larger --behind")
    return gaps
