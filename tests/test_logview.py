"""Logs are read over rotations, filtered, merged and followed, with nothing but the files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.host.logfile import LogFile, Retention
from supervisor.logview import Filter, Follower, Line, processes, tail

ALL = Filter()


def raw(second: int, message: str = "m", level: str = "INFO", **facts: object) -> bytes:
    """Return a stored line of a second of the day."""
    time = f"2026-11-20T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000Z"
    return (
        json.dumps({"time": time, "level": level, "process": "p", "message": message, **facts}).encode()
        + b"\n"
    )


def write(directory: Path, name: str, *lines: bytes, size: int = 10**6) -> None:
    """Append lines to a log."""
    log = LogFile(
        directory, name, retention=Retention(max_bytes=size, keep_files=1000, max_age=10**9, keep_age=10**9)
    )
    for line in lines:
        log.add(line)
        log.flush()
    log.close()


def said(lines: list[Line]) -> list[str]:
    """Return the messages."""
    return [line.record["message"] for line in lines]


@pytest.mark.req("O4")
def test_last_lines_over_rotated_files(tmp_path: Path) -> None:
    """The last n lines come from as many files as it takes, the oldest first."""
    write(tmp_path, "feed", *(raw(n, f"m{n}") for n in range(20)), size=200)

    assert len(list(tmp_path.iterdir())) > 3
    assert said(tail(tmp_path, ["feed"], ALL, 7)) == [f"m{n}" for n in range(13, 20)]
    assert said(tail(tmp_path, ["feed"], ALL, None)) == [f"m{n}" for n in range(20)]
    assert tail(tmp_path, ["feed"], ALL, 0) == []


@pytest.mark.req("O4")
def test_several_processes_in_time_order(tmp_path: Path) -> None:
    """Lines of several processes are interleaved by their time."""
    write(tmp_path, "a", raw(1, "a1"), raw(4, "a4"))
    write(tmp_path, "b", raw(2, "b2"), raw(3, "b3"))

    assert said(tail(tmp_path, ["a", "b"], ALL, 3)) == ["b2", "b3", "a4"]
    assert processes(tmp_path) == ["a", "b"]
    assert processes(tmp_path / "missing") == []


@pytest.mark.req("O4")
def test_filters(tmp_path: Path) -> None:
    """since, level and grep all hold; grep sees what a person sees; n counts what is left."""
    write(
        tmp_path,
        "p",
        raw(1, "old", "ERROR"),
        raw(10, "gap", "WARNING", symbol="BTC"),
        raw(11, "fine"),
        raw(12, "bad", "ERROR", exception="Traceback\nValueError: BTC"),
        raw(13, "bad", "CRITICAL", symbol="ETH"),
    )
    wanted = Filter(since="2026-11-20T00:00:10.000Z", level="WARNING", grep=re.compile("BTC"))

    assert said(tail(tmp_path, ["p"], wanted, None)) == ["gap", "bad"]
    assert said(tail(tmp_path, ["p"], wanted, 1)) == ["bad"]


@pytest.mark.req("O4")
def test_torn_lines_are_passed_over(tmp_path: Path) -> None:
    """What a crash tore is no reason to show nothing."""
    (tmp_path / "p.jsonl").write_bytes(raw(1, "a") + b'{"time":"20\n[1]\n\xff\n' + raw(2, "b") + b'{"ti')

    assert said(tail(tmp_path, ["p"], ALL, None)) == ["a", "b"]


@pytest.mark.req("O4")
def test_lines_longer_than_a_block(tmp_path: Path) -> None:
    """Reading from the end survives lines that span blocks."""
    lines = [raw(n, str(n) * 50_000) for n in range(6)]
    write(tmp_path, "p", *lines)

    assert [line.raw + b"\n" for line in tail(tmp_path, ["p"], ALL, 5)] == lines[1:]


@pytest.mark.req("O4")
def test_following_over_rotation(tmp_path: Path) -> None:
    """A follower misses nothing, however many files come and go between two looks."""
    write(tmp_path, "p", raw(0, "before"))
    follower = Follower(tmp_path, ["p", "later"], ALL)
    assert follower.poll() == []
    write(tmp_path, "p", raw(1, "one"))
    assert said(follower.poll()) == ["one"]
    write(tmp_path, "p", *(raw(n, f"m{n}") for n in range(2, 12)), size=150)
    write(tmp_path, "later", raw(5, "new log"))

    assert said(follower.poll()) == ["m2", "m3", "m4", "m5", "new log", "m6", "m7", "m8", "m9", "m10", "m11"]
    assert follower.poll() == []
    follower.close()


@pytest.mark.req("O4")
def test_following_half_written_lines_and_filters(tmp_path: Path) -> None:
    """A line is shown when it is whole; unwanted ones never."""
    path = tmp_path / "p.jsonl"
    follower = Follower(tmp_path, ["p"], Filter(level="ERROR"))
    whole = raw(1, "bad", "ERROR")
    path.write_bytes(whole[:10])
    assert follower.poll() == []
    path.write_bytes(whole + raw(2, "fine"))

    assert said(follower.poll()) == ["bad"]
    follower.close()


@pytest.mark.req("O4")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.integers(0, 8), max_size=8), size=st.integers(50, 500))
def test_follower_and_tail_agree(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], size: int
) -> None:
    """Whatever the rotations between two looks: following sees each line once, as reading all does."""
    directory = tmp_path_factory.mktemp("log")
    follower = Follower(directory, ["p"], ALL)
    seen: list[str] = []
    count = 0
    for batch in batches:
        write(directory, "p", *(raw(count + n, f"m{count + n}") for n in range(batch)), size=size)
        count += batch
        seen += said(follower.poll())
    follower.close()

    assert seen == [f"m{n}" for n in range(count)]
    assert said(tail(directory, ["p"], ALL, None)) == seen
