"""Runtime directories that killed roots have left: found and removed by the next root that starts.

One that is in use shows it: its root is registered and runs, or somebody answers at one of its sockets, or
it is young, because its owner is just about to bind. Registering and looking exclude each other, but nobody
waits for ever: who is suspended in between keeps the others from tidying, not from starting.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from protocol.directories import HASH_DIGITS, runtime_root
from protocol.registry import registry_directory, running_roots

YOUNG_S: Final = 60.0
"""So long after it was made, or taken over, a directory may still be without a socket."""
AT_ONCE: Final = 500
"""So many are looked at by one start; the next one goes on."""
PATIENCE_S: Final = 2.0
"""So long another root may register or tidy before the next one goes on beside it."""
_ANSWER_S: Final = 0.2
_PAUSE_S: Final = 0.01
_NAME: Final = re.compile(rf"[0-9a-f]{{{HASH_DIGITS}}}")


@contextmanager
def entering(patience: float = PATIENCE_S) -> Iterator[bool]:
    """Make or remove runtime directories of this user, while others wait; yields whether they do.

    False after ``patience`` seconds in which somebody else was at it: then nothing may be removed.
    Raises UnsafeDirectory, OSError.
    """
    descriptor = os.open(registry_directory(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield _locked(descriptor, patience)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, patience: float) -> bool:
    give_up = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= give_up:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


def remove_stale() -> int:
    """Remove what belongs to nobody any more; how many directories. To be called alone in ``entering``."""
    spared = {os.path.realpath(entry.runtime_dir) for entry in running_roots()}
    candidates = [place for place in runtime_root().iterdir() if _NAME.fullmatch(place.name)]
    unknown = [place for place in candidates[:AT_ONCE] if os.path.realpath(place) not in spared]
    return sum(_removed(place) for place in unknown)


def _removed(place: Path) -> bool:
    # Looked at just before: one that went on beside us may have taken it over since.
    if not _is_stale(place):
        return False
    shutil.rmtree(place, ignore_errors=True)
    return True


def _is_stale(place: Path) -> bool:
    try:
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or time.time() - found.st_mtime < YOUNG_S:
            return False
        return not any(_answers(door) for door in place.iterdir())
    except OSError:  # it vanishes at this moment, or is not ours to look at
        return False


def _answers(door: Path) -> bool:
    """Whether somebody listens at a socket; whatever else lies there has nobody behind it."""
    if not door.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.settimeout(_ANSWER_S)
        try:
            caller.connect(str(door))
        except ConnectionRefusedError:
            return False
        except OSError:  # a full backlog, say: somebody who does not get round to it
            return True
    return True
