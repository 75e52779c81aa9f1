"""A process that the launcher has forked and that waits to be told which command to become. A leaf.

The root talks to it over two descriptors that the launcher hands on: a socket for the one order, and the
end of a pipe which closes by the exec, or tells why there is none. What can be done before the order comes
is done before: a restart waits for the rest only.
"""

from __future__ import annotations

import gc
import marshal
import mmap
import os
import socket
import struct

from supervisor.host.command import become, prepare
from supervisor.host.prctl import die_with_parent, set_name
from supervisor.host.proctable import NEWBORN

TYPE_CHECKING = False  # see command.py
if TYPE_CHECKING:
    from typing import NoReturn

LARGEST_ORDER = 1 << 20
_HIGHEST = 1 << 20
"""Beyond every descriptor that Linux gives by default."""


def fork() -> tuple[int, int, int]:
    """Make one; return its pid and the two descriptors, orders and report. Raises OSError."""
    launcher = os.getpid()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    report_read, report_write = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        here.close()
        os.close(report_read)
        raise
    else:
        if pid == 0:
            _wait_for_order(there, launcher, report_write)
    finally:
        there.close()
        os.close(report_write)
    return pid, here.detach(), report_read


def _wait_for_order(orders: socket.socket, launcher: int, report: int) -> NoReturn:
    """Live in the fork; never return."""
    die_with_parent(launcher)
    set_name(NEWBORN.decode())
    _close_all_but(orders.fileno(), report)
    gc.disable()  # to walk over all objects would copy every page that the launcher shares
    inherited = prepare()
    room = mmap.mmap(-1, LARGEST_ORDER, mmap.MAP_PRIVATE)  # kept to the end: to give it back takes time
    _rehearse(room)
    order, output = _hear(orders, room)
    become(order, inherited, output, launcher, report)


def _rehearse(room: mmap.mmap) -> None:
    """Hear an order for nobody: after a fork the first use of each page of memory is slow."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        socket.send_fds(there, [marshal.dumps({})], [0])
        os.close(_hear(here, room)[1])


def _hear(orders: socket.socket, room: mmap.mmap) -> tuple[dict[str, object], int]:
    """Wait for the order and the descriptor for its output; end when there will be none."""
    size, control, _, _ = orders.recvmsg_into([room], socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    if not size:
        os._exit(0)
    (output,) = struct.unpack("i", control[0][2][:4])
    return marshal.loads(memoryview(room)[:size]), output


def _close_all_but(*kept: int) -> None:
    # The other end of its own orders would keep it waiting for ever, other commands' pipes keep those open.
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, _HIGHEST)
