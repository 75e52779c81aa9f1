"""The registry of roots: which root runs on which state directory, and which ones did.

One small JSON file for each state directory. An entry is running when its process is the very one that
registered: same pid and same start time, so that a pid used again deceives nobody.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from protocol.directories import private_directory, runtime_root, short_hash
from protocol.errors import NoRoot, SeveralRoots

REMEMBERED: Final = 32
"""How many roots that no longer run are kept."""

NUMBERS: Final = frozenset({"pid", "started", "at_ms"})
WRITTEN: Final = ("events.db*", "data/*.db*")
"""What a root and its workers write while they run, in the state directory."""
TEXTS: Final = frozenset({"state_dir", "config", "runtime_dir"})


@dataclass(frozen=True)
class RootEntry:
    """A root that runs or ran. ``started`` is the kernel's start time of ``pid`` in ticks since boot.

    ``config`` is the tree file (or ``demo``), ``at_ms`` when it registered (UTC). ``pid`` 0: it has ended.
    ``embedded``: its process does other things too, and goes on when the root has ended. ``temporary``: of
    a replay or the like, which is meant only where it is named. ``ended_ms``: 0 while it has not said so.
    """

    pid: int
    started: int
    state_dir: str
    config: str
    runtime_dir: str
    at_ms: int
    embedded: bool = False
    temporary: bool = False
    ended_ms: int = 0

    @property
    def running(self) -> bool:
        """Whether the process that registered is alive."""
        return self.pid > 0 and process_start_ticks(self.pid) == self.started

    @property
    def last_ms(self) -> int:
        """When it ended; else when it, or one of its workers, last wrote anything."""
        return self.ended_ms or max(self.at_ms, _last_written_ms(Path(self.state_dir)))


def register(entry: RootEntry) -> None:
    """Tell the other commands of this user about a root; replaces what was known of its state directory."""
    _write(entry)
    for forgotten in [known for known in known_roots() if not known.running][REMEMBERED:]:
        _file_of(forgotten.state_dir).unlink(missing_ok=True)


def recall(state_dir: str | Path) -> RootEntry | None:
    """What is known of the root on ``state_dir``, whether it runs or not; None when nothing is."""
    return _read(_file_of(state_dir))


def unregister(state_dir: str | Path) -> None:
    """Note that the root on ``state_dir`` has ended; it stays known. Harmless when repeated."""
    entry = _read(_file_of(state_dir))
    if entry is not None:
        ended_ms = entry.ended_ms or time.time_ns() // 1_000_000
        _write(dataclasses.replace(entry, pid=0, started=0, ended_ms=ended_ms))


def known_roots() -> list[RootEntry]:
    """All roots that are remembered, running or not; first the one that was at work last."""
    entries = [_read(file) for file in registry_directory().glob("*.json")]
    return sorted((entry for entry in entries if entry is not None), key=lambda entry: -entry.last_ms)


def running_roots() -> list[RootEntry]:
    """The roots that run now, temporary ones too."""
    return [entry for entry in known_roots() if entry.running]


def find_root(state_dir: Path | None) -> RootEntry:
    """The running root on ``state_dir``, or the only one there is. Raises NoRoot, SeveralRoots.

    A temporary one is found only where it is named.
    """
    running = running_roots()
    if state_dir is None:
        running = [entry for entry in running if not entry.temporary]
    else:
        wanted = os.path.realpath(state_dir)
        running = [entry for entry in running if os.path.realpath(entry.state_dir) == wanted]
    if not running:
        raise NoRoot(state_dir, registry_directory())
    if len(running) > 1:
        raise SeveralRoots([entry.state_dir for entry in running])
    return running[0]


def left_state_dirs() -> list[RootEntry]:
    """The roots that no longer run and whose state directory is still there, the one that ended last first.

    Temporary ones are never meant.
    """
    ended = [entry for entry in known_roots() if not (entry.temporary or entry.running)]
    return [entry for entry in ended if Path(entry.state_dir).is_dir()]


def find_state_dir(state_dir: Path | None) -> Path:
    """The state directory for a command that works with nothing running.

    What is given; else the only running root's; else that of the root that ended last, if it is still
    there. Raises NoRoot, SeveralRoots.
    """
    if state_dir is not None:
        return state_dir
    try:
        return Path(find_root(None).state_dir)
    except NoRoot:
        for entry in left_state_dirs():
            return Path(entry.state_dir)
        raise


def process_start_ticks(pid: int) -> int | None:
    """When the process started, in kernel ticks since boot; None when it is gone or a zombie."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold spaces and parentheses: count from its end.
    fields = line.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in "ZX" else int(started)


def _last_written_ms(state_dir: Path) -> int:
    times = [0]
    for file in (file for pattern in WRITTEN for file in state_dir.glob(pattern)):
        try:
            times.append(file.stat().st_mtime_ns // 1_000_000)
        except OSError:  # removed at this moment, or not ours to look at
            continue
    return max(times)


def registry_directory() -> Path:
    """Where the entries are; made when missing. Raises UnsafeDirectory."""
    return private_directory(runtime_root() / "roots")


def _file_of(state_dir: str | Path) -> Path:
    return registry_directory() / f"{short_hash(os.path.realpath(state_dir))}.json"


def _write(entry: RootEntry) -> None:
    file = _file_of(entry.state_dir)
    draft = file.with_name(f"{file.name}.{os.getpid()}.{time.monotonic_ns()}")
    draft.write_text(json.dumps(dataclasses.asdict(entry)))
    draft.rename(file)


def _read(file: Path) -> RootEntry | None:
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return None  # not one of ours, or of a release with another form
    return _entry(found)


def _entry(found: Any) -> RootEntry | None:
    if not isinstance(found, dict):
        return None
    fields: dict[str, Any] = {name: found.get(name) for name in NUMBERS | TEXTS}
    right = all(isinstance(value, int if name in NUMBERS else str) for name, value in fields.items())
    ended_ms = found.get("ended_ms")
    return (
        RootEntry(
            **fields,
            embedded=found.get("embedded") is True,
            temporary=found.get("temporary") is True,
            ended_ms=ended_ms if isinstance(ended_ms, int) else 0,
        )
        if right
        else None
    )
