"""Point 28: whatever a child writes and whatever the disk does, nobody is stopped, and no loss is unsaid."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervision import trees
from tests.supervision.conftest import Grow
from tests.supervision.trees import TreeProcess
from tests.support.deadline import wait_until

NASTY = """
import os, sys
out = sys.stdout.buffer
out.write(b"x" * 3_000_000 + b"\\n")
out.write(b"\\xff\\xfe\\x00 not text\\n")
out.write(b"\\x1e{broken\\n")
for n in range(30): out.write(b"line %d\\n" % n)
out.flush()
raise SystemExit("and then it was over")
"""
PADDING = "x" * 1000
COUNTING = f"i=0; while :; do i=$((i+1)); echo line $i {PADDING}; echo $i > counted; done"
PIPES_FULL = 300
"""So many lines of the counting child are more than a pipe holds, several times over."""
FLOOD = """
import os, signal, sys
print("before", flush=True)
while not os.path.exists(sys.argv[1]): signal.sigtimedwait([], 0.01)
for n in range(int(sys.argv[2])): sys.stdout.write("%d %s\\n" % (n, "x" * 1000))
sys.stdout.flush()
signal.pause()
"""
FLOOD_LINES = 12_000
"""More than one file takes before it is rotated."""


def records(root: TreeProcess, name: str) -> list[dict[str, object]]:
    """What is stored of a process, the rotated files included."""
    folder = root.state_dir / "log"
    files = [*sorted(folder.glob(f"{name}.2*.jsonl")), folder / f"{name}.jsonl"]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def counted(folder: Path) -> int:
    """How far a counting child has come."""
    return int((folder / "counted").read_text().strip() or 0)


@pytest.mark.req("H4")
@pytest.mark.req("S11")
def test_28_long_lines_and_bad_bytes_do_not_end_the_reader_and_last_words_are_kept(grow: Grow) -> None:
    """The reader died of them, and the child blocked; or its last words before the crash were not shown."""
    root = grow(
        trees.command("nasty", sys.executable, "-I", "-S", "-c", NASTY, max_consecutive_failures=0),
        trees.shell("other", "while :; do echo fine; sleep 0.01; done"),
    )
    root.wait_for("nasty", state="parked")
    said = [str(record["message"]) for record in records(root, "nasty")]

    assert said[0].endswith("[line cut]")
    assert len(said[0]) < 100_000
    assert said[1].endswith("not text")
    assert said[3:] == [f"line {n}" for n in range(30)] + ["and then it was over"]
    why = root.command("why", "nasty").stdout
    assert "and then it was over" in why
    assert "line 29" in why
    seen = len(records(root, "other"))
    wait_until(lambda: len(records(root, "other")) > seen, what="the reader to go on")


@pytest.mark.req("H4")
def test_28_full_disk_stops_nobody_and_what_it_cost_is_told(grow: Grow, tmp_path: Path) -> None:
    """The log reader died of a full disk, and all children hung on their full pipes."""
    root = grow(trees.shell("c", COUNTING, directory=str(tmp_path)), trees.command("d", *trees.SLEEPS))
    root.wait_ready(["c", "d"])
    wait_until(lambda: "line 100 " in root.log("c"), what="the first lines")
    unlimited = resource.prlimit(root.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(root.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    before = counted(tmp_path)
    wait_until(lambda: counted(tmp_path) > before + PIPES_FULL, what="the child to go on")

    assert root.change("restart", "d").ok
    trees.kill(root.child("d")["pid"])
    root.wait_restarts("d", 1)
    resource.prlimit(root.process.pid, resource.RLIMIT_FSIZE, unlimited)

    wait_until(lambda: "log lines lost" in root.log("c"), what="the loss to be told")
    told = [record["lines"] for record in records(root, "c") if record["message"] == "log lines lost"]
    lost = [lines for lines in told if isinstance(lines, int) and lines > 0]
    assert told == lost
    assert root.status()["root"]["log_dropped"]["c"] >= sum(lost)
    wait_until(
        lambda: any(e["event"] == "ready" and e["incarnation"] == 3 for e in root.events("d")),
        what="the events",
    )


@pytest.mark.req("H4")
@pytest.mark.req("O4")
def test_28_rotation_loses_nothing_and_following_goes_over_it(grow: Grow, tmp_path: Path) -> None:
    """The follower stayed with the old file, and what was written while files changed places was lost."""
    go, seen = tmp_path / "go", tmp_path / "seen"
    root = grow(trees.command("c", sys.executable, "-I", "-S", "-c", FLOOD, str(go), str(FLOOD_LINES)))
    root.wait_ready(["c"])
    with seen.open("wb") as stdout:
        follower = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "supervisor",
                "logs",
                "c",
                "-f",
                "--json",
                "--state-dir",
                str(root.state_dir),
            ],
            stdout=stdout,
        )
        try:
            wait_until(lambda: b'"before"' in ending(seen), what="the first line to be followed")
            go.touch()
            last = f'"{FLOOD_LINES - 1} '.encode()
            wait_until(
                lambda: last in ending(seen), 60, what="all lines to be followed", state=lambda: ending(seen)
            )
        finally:
            follower.terminate()
            follower.wait()

    expected = ["before", *map(str, range(FLOOD_LINES))]
    assert list((root.state_dir / "log").glob("c.2*.jsonl"))
    assert [str(record["message"]).split()[0] for record in records(root, "c")] == expected
    assert [json.loads(line)["message"].split()[0] for line in seen.read_text().splitlines()] == expected


def ending(path: Path) -> bytes:
    """The end of a file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2000))
        return file.read()
