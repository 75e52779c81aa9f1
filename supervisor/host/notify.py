"""The receiving end of systemd's notify protocol, for one incarnation of a command.

Each incarnation has a socket of its own, so that nothing need be concluded from the sender's pid, which
may be somebody else's by the time it is looked at, or that of a short-lived ``systemd-notify``. What an older
incarnation has left in its socket dies with it. What counts is the sender's user, as the kernel tells it.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from supervisor.host.notice import LARGEST, Garbled, Notice, read_notice

_CREDENTIALS: Final = struct.Struct("iii")
"""struct ucred: pid, uid, gid."""
_AT_ONCE: Final = 32
"""Datagrams read in one go; a program that floods its socket must not hold up the loop."""

Refused = Callable[[str, str], None]
"""Called with a short word for counting and a sentence."""


class NotifySocket:
    """Hears one incarnation. ``address`` is what it finds in NOTIFY_SOCKET.

    ``heard`` is told every notice; ``refused`` what could not be understood, or came from another user than
    those of ``users``. Raises OSError when the socket cannot be made.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: str,
        *,
        users: frozenset[int],
        heard: Callable[[Notice], None],
        refused: Refused,
    ) -> None:
        self.address = address
        self._loop, self._users, self._heard, self._refused = loop, users, heard, refused
        self._socket = _bound(address)
        self._open = True
        loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        """Hear nothing more; nothing is left of it. Harmless when repeated."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if not self.address.startswith("@"):
            Path(self.address).unlink(missing_ok=True)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            # Whoever is told may close this socket.
            if not self._open or not self._read_one():
                return

    def _read_one(self) -> bool:
        # Room for credentials alone: descriptors that come along (BARRIER=1, FDSTORE=1) are closed by the
        # kernel at once, which is the answer that a barrier waits for.
        room = socket.CMSG_SPACE(_CREDENTIALS.size)
        try:
            datagram, ancillary, flags, _ = self._socket.recvmsg(LARGEST, room)
        except BlockingIOError:
            return False
        user = _user_of(ancillary)
        if user not in self._users:
            self._refused("Stranger", f"a datagram from user {user}, allowed are {sorted(self._users)}")
        elif flags & socket.MSG_TRUNC:
            self._refused("Oversized", f"found more than {LARGEST} bytes in one datagram")
        else:
            self._take(datagram)
        return True

    def _take(self, datagram: bytes) -> None:
        try:
            notice = read_notice(datagram)
        except Garbled as error:
            self._refused(error.kind, str(error))
        else:
            self._heard(notice)


def users_of(user: str | None) -> frozenset[int]:
    """The user ids that may speak for a command which runs as ``user``; None: as the root process does."""
    own = os.geteuid()
    if user is None:
        return frozenset({own})
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        # Its start will fail, and say so.
        return frozenset({own})
    return frozenset({own, entry.pw_uid})


def address_for(path: Path, users: frozenset[int]) -> str:
    """Where to listen: at ``path``; for other users, who cannot go there, under an abstract name."""
    return str(path) if users == {os.geteuid()} else f"@supervisor-tree/{secrets.token_hex(16)}"


def _bound(address: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        if address.startswith("@"):
            made.bind("\0" + address[1:])
        else:
            Path(address).unlink(missing_ok=True)  # left by a root that was killed
            made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


def _user_of(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) == _CREDENTIALS.size:
            return int(_CREDENTIALS.unpack(data)[1])
    return None
