"""What a test may not leave behind: processes, descriptors, threads, event loops, files in the runtime
directory.

A snapshot is taken before and after; what is new, and not excused by ``ALLOWED``, is a leak. What a test
started has a short grace to end, for a death takes a moment to be seen.

Processes are found in two ways: as descendants, and by a mark that this run puts into the environment. The
mark also finds those that were orphaned and have another parent now, as after the kill of a root.
"""

from __future__ import annotations

import asyncio
import gc
import os
import stat
import sys
import threading
import traceback
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import pytest

from tests.support.deadline import NeverHappened, wait_until

Kind = Literal["process", "descriptor", "thread", "file"]

GRACE_S = 2.0
MARK = "PYTEST_LEAK_MARK"
TASKS = Path("/proc/self/task")
DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class Thing:
    """Something a test can leave. ``sameness`` tells it from a later one that got the same number."""

    kind: Kind
    number: int
    sameness: str


@dataclass(frozen=True)
class Leak:
    """A thing that outlived its test, in words."""

    thing: Thing
    name: str
    where: str = ""

    def __str__(self) -> str:
        return f"{self.thing.kind}: {self.name}" + (f"\n      {self.where}" if self.where else "")


@dataclass(frozen=True)
class Allowance:
    """Excuses the leaks of a kind whose name contains ``part``."""

    kind: Kind
    part: str
    reason: str


ALLOWED = (
    Allowance("process", "resource_tracker", "multiprocess keeps one for the life of the interpreter"),
    Allowance("descriptor", "resource tracker", "the write end of the pipe to it"),
    Allowance("file", "directory ", "each state directory keeps its runtime directory, for its next root"),
    Allowance("file", "/roots/", "the registry remembers the roots that have ended"),
)

Snapshot = frozenset[Thing]


def mark_descendants() -> None:
    """Put a mark of this process into the environment, for all processes started from here on.

    Tests that run side by side in several processes must not take each other's children for leaks.
    """
    os.environ[MARK] = f"{os.getpid()}-{uuid.uuid4().hex}"


def take(watched: Sequence[Path] = ()) -> Snapshot:
    """Look at this process, at what it started, and into the directories named."""
    return frozenset([*_processes(), *_descriptors(), *_threads(), *_files(watched)])


def leaked(before: Snapshot, after: Snapshot) -> list[Leak]:
    """Describe what is there after, was not before, and is not excused."""
    new = sorted(after - before, key=lambda thing: (thing.kind, thing.number, thing.sameness))
    return [leak for leak in map(describe, new) if not is_allowed(leak)]


def leaks_since(before: Snapshot, watched: Sequence[Path] = (), grace_s: float = GRACE_S) -> list[Leak]:
    """Return what is left when all has settled or the grace is over."""
    try:
        wait_until(lambda: not leaked(before, take(watched)), grace_s)
    except NeverHappened:
        return leaked(before, take(watched))
    return []


def files_left(directory: Path, grace_s: float = GRACE_S) -> list[Leak]:
    """Return what is still in a directory when the grace is over, and is not excused."""
    return [leak for leak in leaks_since(take(), [directory], grace_s) if leak.thing.kind == "file"]


def is_allowed(leak: Leak) -> bool:
    """Tell whether the table excuses this leak."""
    return any(leak.thing.kind == row.kind and row.part in leak.name for row in ALLOWED)


def contain(leaks: Sequence[Leak]) -> None:
    """Kill the processes among the leaks, so that the machine stays clean for the tests that follow."""
    for leak in leaks:
        if leak.thing.kind == "process":
            _kill(leak.thing.number)


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail the test that leaves something behind, with the list of it."""
    watched = [Path(place) for place in [os.environ.get("SUPERVISOR_RUNTIME_DIR")] if place]
    before = take(watched)
    yield
    leaks = leaks_since(before, watched)
    if leaks:
        contain(leaks)
        pytest.fail("left behind:\n" + "\n".join(f"  - {leak}" for leak in leaks), pytrace=False)


def describe(thing: Thing) -> Leak:
    """Say what a thing is and, as far as can be told, where it comes from."""
    match thing.kind:
        case "process":
            return _describe_process(thing)
        case "descriptor":
            return _describe_descriptor(thing)
        case "thread":
            return _describe_thread(thing)
        case "file":
            return Leak(thing, thing.sameness)


# Processes


def _processes() -> Iterator[Thing]:
    descendants = {process.pid for process in psutil.Process().children(recursive=True)}
    for pid in (descendants | _marked()) - {os.getpid()}:
        try:
            yield Thing("process", pid, str(psutil.Process(pid).create_time()))
        except psutil.NoSuchProcess:
            continue


def _marked() -> set[int]:
    """Find the processes that carry our mark. A zombie has no environment: an orphaned one counts as gone."""
    mark = os.environ.get(MARK)
    if mark is None:
        return set()
    wanted = f"{MARK}={mark}".encode()
    return {pid for pid in psutil.pids() if wanted in _environment(pid)}


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone meanwhile, or another user's
        return b""


def _describe_process(thing: Thing) -> Leak:
    try:
        process = psutil.Process(thing.number)
        name = f"{process.pid} [{process.status()}] {_command_line(process)}"
        return Leak(thing, name, f"child of {process.ppid()}")
    except psutil.NoSuchProcess:
        return Leak(thing, f"{thing.number} (gone meanwhile)")


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()) or process.name()
    except psutil.ZombieProcess:
        return process.name()


def _kill(pid: int) -> None:
    try:
        process = psutil.Process(pid)
        process.kill()
        if process.ppid() == os.getpid():  # another one's child is for its parent to reap
            process.wait(GRACE_S)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return


# Descriptors, and the event loops behind some of them


def _descriptors() -> Iterator[Thing]:
    for entry in DESCRIPTORS.iterdir():
        try:
            yield Thing("descriptor", int(entry.name), str(entry.readlink()))
        except OSError:  # the one that the listing itself used
            continue


def _describe_descriptor(thing: Thing) -> Leak:
    name = f"{thing.number} -> {thing.sameness}"
    if thing.number == _resource_tracker_descriptor():
        return Leak(thing, f"{name} (resource tracker)")
    if "eventpoll" in thing.sameness:
        return Leak(thing, name, f"event loops not closed: {_open_loops()}")
    return Leak(thing, name, _address(thing.number) if thing.sameness.startswith("socket:") else "")


def _resource_tracker_descriptor() -> int | None:
    tracker = getattr(sys.modules.get("multiprocess.resource_tracker"), "_resource_tracker", None)
    return getattr(tracker, "_fd", None)


def _open_loops() -> list[str]:
    loops = [it for it in gc.get_objects() if issubclass(type(it), asyncio.AbstractEventLoop)]
    return [repr(loop) for loop in loops if not loop.is_closed()]


def _address(descriptor: int) -> str:
    for connection in psutil.Process().net_connections(kind="all"):
        if connection.fd == descriptor:
            return f"at {connection.laddr}, peer {connection.raddr}"
    return ""


# Threads: those of Python, and the ones that libraries keep out of its sight


def _threads() -> Iterator[Thing]:
    for entry in TASKS.iterdir():
        yield Thing("thread", int(entry.name), "")


def _describe_thread(thing: Thing) -> Leak:
    for thread in threading.enumerate():
        if thread.native_id == thing.number:
            frame = sys._current_frames().get(thread.ident or 0)
            stack = traceback.format_stack(frame, limit=1) if frame else [""]
            return Leak(thing, repr(thread), " ".join(stack[-1].split()))
    return Leak(thing, f"{thing.number} {_native_name(thing.number)} (not one of Python's)")


def _native_name(number: int) -> str:
    try:
        return (TASKS / str(number) / "comm").read_text().strip()
    except OSError:
        return "(gone meanwhile)"


# Files


def _files(watched: Sequence[Path]) -> Iterator[Thing]:
    for directory in watched:
        for path in directory.rglob("*"):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            kind = "socket" if stat.S_ISSOCK(mode) else "directory" if stat.S_ISDIR(mode) else "file"
            yield Thing("file", 0, f"{kind} {path}")
