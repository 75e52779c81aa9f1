"""Log files rotate, are pruned, heal after crashes and outlast a disk that refuses."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.host.logfile import DAY, LogFile, Retention, rotated_files

NOON = 1_795_000_000.0


@dataclass
class Clock:
    """A time of day that moves when told."""

    now: float = NOON

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


def line(number: int) -> bytes:
    """Return a stored line of some forty bytes."""
    return b'{"time":"2026-11-18T11:06:40.000Z","n":%d}\n' % number


def numbers(directory: Path, name: str = "feed") -> list[int]:
    """Return the numbers of all lines in all files of a log, in order."""
    files = [*rotated_files(directory, name), directory / f"{name}.jsonl"]
    records = [json.loads(text) for file in files for text in file.read_text().splitlines() if text]
    return [record["n"] for record in records if "n" in record]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Have the kernel refuse to let files grow beyond ``size``, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.req("H4")
def test_rotates_by_size_and_keeps_so_many(tmp_path: Path) -> None:
    """Files stay below the size; the oldest beyond the number kept go; nothing else is lost."""
    clock = Clock()
    log = LogFile(tmp_path, "feed", retention=Retention(max_bytes=100, keep_files=3), clock=clock)
    for number in range(20):
        log.add(line(number))
        log.flush()
    log.close()

    assert len(rotated_files(tmp_path, "feed")) == 3
    assert numbers(tmp_path) == list(range(12, 20))
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())


@pytest.mark.req("H4")
def test_rotates_by_age_also_over_a_restart_and_prunes_by_age(tmp_path: Path) -> None:
    """A day after its first line a file is rotated, whoever wrote it; after the set time it is removed."""
    clock = Clock()
    for day in range(4):
        log = LogFile(tmp_path, "feed", retention=Retention(keep_age=2.5 * DAY), clock=clock)
        log.add(b'{"time":"%s","n":%d}\n' % (_iso(clock.now), day))
        log.flush()
        log.close()
        clock.now += DAY

    assert numbers(tmp_path) == [0, 1, 2, 3]
    clock.now += DAY
    late = LogFile(tmp_path, "feed", retention=Retention(keep_age=2.5 * DAY), clock=clock)
    late.add(line(4))
    late.close()

    assert numbers(tmp_path) == [2, 3, 4]


def _iso(at: float) -> bytes:
    return datetime.fromtimestamp(at, UTC).isoformat().encode()


@pytest.mark.req("H4")
def test_clock_set_back_keeps_the_order(tmp_path: Path) -> None:
    """Files are named in the order they were written, even when the clock was set back."""
    clock = Clock()
    log = LogFile(tmp_path, "feed", retention=Retention(max_bytes=10), clock=clock)
    for number in range(5):
        log.add(line(number))
        log.flush()
        clock.now -= 3600
    log.close()

    assert numbers(tmp_path) == list(range(5))


@pytest.mark.req("H4")
def test_a_torn_last_line_is_ended_first(tmp_path: Path) -> None:
    """What a crash tore does not swallow the next line."""
    (tmp_path / "feed.jsonl").write_bytes(line(1) + b'{"time":"2026')
    log = LogFile(tmp_path, "feed", clock=Clock(NOON))
    log.add(line(2))
    log.close()

    assert (tmp_path / "feed.jsonl").read_bytes() == line(1) + b'{"time":"2026\n' + line(2)


@pytest.mark.req("H4")
def test_full_disk_is_counted_and_told_afterwards(tmp_path: Path) -> None:
    """While the disk is full lines are dropped and counted; with room again the log goes on and says so."""
    clock = Clock()
    log = LogFile(tmp_path, "feed", clock=clock)
    with file_size_limit(100):
        for number in range(6):
            log.add(line(number))
            log.flush()
        # A second later it tries again, still in vain.
        clock.now += 1.5
        log.add(line(6))
        assert not log.flush()
    clock.now += 1.5
    log.add(line(7))
    assert log.flush()
    log.close()

    raw = (tmp_path / "feed.jsonl").read_bytes().splitlines()
    assert log.dropped == 5
    assert raw[:2] == [line(0)[:-1], line(1)[:-1]]
    note = json.loads(raw[-2])
    assert (note["message"], note["lines"], note["process"], note["level"]) == (
        "log lines lost",
        5,
        "feed",
        "WARNING",
    )
    assert raw[-1] == line(7)[:-1]


@pytest.mark.req("H4")
def test_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """Where the directory cannot be, lines are counted; once it can, the log begins."""
    clock = Clock()
    (tmp_path / "log").write_text("in the way")
    log = LogFile(tmp_path / "log", "feed", clock=clock)
    log.add(line(1))
    assert not log.flush()
    (tmp_path / "log").unlink()
    clock.now += 2
    log.add(line(2))
    assert log.flush()
    log.close()

    assert log.dropped == 1
    assert numbers(tmp_path / "log") == [2]


@pytest.mark.req("H4")
def test_moved_or_removed_file(tmp_path: Path) -> None:
    """When a person moves the file away, the next line makes a new one."""
    log = LogFile(tmp_path, "feed", clock=Clock())
    log.add(line(1))
    log.flush()
    (tmp_path / "feed.jsonl").rename(tmp_path / "mine.jsonl")
    log.add(line(2))
    log.close()

    assert (tmp_path / "mine.jsonl").read_bytes() == line(1)
    assert (tmp_path / "feed.jsonl").read_bytes() == line(2)


@pytest.mark.req("H4")
def test_pipe_in_the_place_of_a_log_blocks_nobody(tmp_path: Path) -> None:
    """Somebody put a FIFO there, and the one writer of all logs waited in it for ever."""
    clock = Clock()
    log = LogFile(tmp_path, "feed", clock=clock)
    os.mkfifo(log.path)
    for number in range(3000):  # more than a pipe holds
        log.add(line(number))
    assert not log.flush()

    log.path.unlink()
    clock.now += 60
    log.add(line(3000))
    assert log.flush()
    assert log.dropped == 3000
    assert numbers(tmp_path)[-1] == 3000
    log.close()


@pytest.mark.req("H4")
def test_names_that_begin_alike_do_not_mix(tmp_path: Path) -> None:
    """Pruning one log never touches another whose name begins the same."""
    other = tmp_path / "feed.eu.jsonl"
    other.write_bytes(line(9))
    log = LogFile(tmp_path, "feed", retention=Retention(max_bytes=10, keep_files=0), clock=Clock())
    for number in range(3):
        log.add(line(number))
        log.flush()
    log.close()

    assert other.read_bytes() == line(9)
    assert numbers(tmp_path) == [2]


@pytest.mark.req("X1")
def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """However often it rotates, one descriptor is open, and none after close."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    log = LogFile(tmp_path, "feed", retention=Retention(max_bytes=10), clock=Clock())
    for number in range(20):
        log.add(line(number))
        log.flush()
    during = len(list(Path("/proc/self/fd").iterdir()))
    log.close()

    assert (during, len(list(Path("/proc/self/fd").iterdir()))) == (before + 1, before)


@pytest.mark.req("H4")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(st.integers(0, 6), max_size=12),
    gaps=st.lists(st.floats(0, 2 * DAY), min_size=12, max_size=12),
    size=st.integers(1, 400),
)
def test_rotation_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], gaps: list[float], size: int
) -> None:
    """Whatever the batches, times and sizes: every line once, in order."""
    directory, clock = tmp_path_factory.mktemp("log"), Clock()
    log = LogFile(
        directory, "feed", retention=Retention(max_bytes=size, keep_files=99, keep_age=99 * DAY), clock=clock
    )
    expected: list[int] = []
    (directory / "feed.jsonl").touch()
    for batch, gap in zip(batches, gaps, strict=False):
        for _ in range(batch):
            log.add(line(len(expected)))
            expected.append(len(expected))
        log.flush()
        clock.now += gap
    log.close()

    assert numbers(directory) == expected
