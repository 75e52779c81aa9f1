"""Runtime directories and the sockets in them.

They hold sockets and the registry of roots and are nobody else's business: 0700, owned by this
user, never a symlink. A socket's path has at most 107 bytes, so that long names become short hashes::

    runtime_root/                 $SUPERVISOR_RUNTIME_DIR, or below $XDG_RUNTIME_DIR, or in /tmp
        roots/<hash>.json         one for each state directory ever used: which root runs there
        <hash of state dir>/      the sockets of that root and its children
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Final, Literal

from protocol.errors import PathTooLong, UnsafeDirectory

Door = Literal["control", "operator", "live", "past"]

MAX_SOCKET_PATH: Final = 106
"""In bytes; the kernel's field has 108, with a closing zero."""

PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,24}")
HASH_DIGITS: Final = 16

MAX_RUNTIME_DIR: Final = MAX_SOCKET_PATH - len("/" + "n" * 24 + ".operator")
"""A runtime directory up to this length has room for every socket name."""


def runtime_root() -> Path:
    """The private directory of this user for all roots; made when missing. Raises UnsafeDirectory."""
    return private_directory(_wanted_root())


def runtime_dir(state_dir: Path) -> Path:
    """The private directory for the sockets of the root on ``state_dir``; made when missing.

    The same for every spelling of ``state_dir``, and short however long that is. Raises UnsafeDirectory.
    """
    root = runtime_root()
    name = short_hash(os.path.realpath(state_dir))
    if len(os.fsencode(root / name)) <= MAX_RUNTIME_DIR:
        return private_directory(root / name)
    return private_directory(private_directory(_shared_root()) / short_hash(f"{root}/{name}"))


def restore(runtime_dir: str | Path) -> None:
    """Make a runtime directory again where it has vanished. Raises UnsafeDirectory when that fails."""
    place = Path(runtime_dir)
    private_directory(place.parent)
    private_directory(place)


def endpoint(runtime_dir: str | Path, name: str, door: Door) -> str:
    """The address of one of the sockets of ``name`` (a child's id, or ``root``). Raises PathTooLong.

    Names that are long or have odd characters are hashed; ``~`` keeps them apart from plain ones.
    """
    plain = name if PLAIN_NAME.fullmatch(name) else f"~{short_hash(name)}"
    path = f"{runtime_dir}/{plain}.{door}"
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise PathTooLong(path, MAX_SOCKET_PATH)
    return f"ipc://{path}"


def private_directory(path: Path) -> Path:
    """Make ``path`` with mode 0700, or check that it is so. Raises UnsafeDirectory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise UnsafeDirectory(path, error.strerror or str(error)) from error
    if flaw := _flaw(found):
        raise UnsafeDirectory(path, flaw)
    return path


def short_hash(text: str) -> str:
    """A name of fixed length for any text; the same in every process and release."""
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:HASH_DIGITS]


def _wanted_root() -> Path:
    if named := os.environ.get("SUPERVISOR_RUNTIME_DIR"):
        return Path(named).absolute()
    session = os.environ.get("XDG_RUNTIME_DIR")
    # After `su` or `sudo` the variable may still name the directory of somebody else.
    if session and Path(session).is_dir() and Path(session).stat().st_uid == os.geteuid():
        return Path(session).absolute() / "supervisor-tree"
    return _shared_root()


def _shared_root() -> Path:
    return Path("/tmp") / f"supervisor-tree-{os.geteuid()}"


def _flaw(found: os.stat_result) -> str | None:
    if stat.S_ISLNK(found.st_mode):
        return "it is a symbolic link"
    if not stat.S_ISDIR(found.st_mode):
        return "it is not a directory"
    if found.st_uid != os.geteuid():
        return f"it belongs to user {found.st_uid}"
    if (mode := stat.S_IMODE(found.st_mode)) != 0o700:
        return f"its mode is {mode:04o}"
    return None
