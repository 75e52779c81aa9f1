"""A process that the launcher has forked and that waits to be told which command to become. A leaf.

What can be done before the order comes is done before: a restart waits for the rest only.
"""

from __future__ import annotations

import json
import os
import socket
from typing import NoReturn

from supervisor.host.command import become, prepare
from supervisor.host.killing import kill_process
from supervisor.host.prctl import die_with_parent, set_name
from supervisor.host.proctable import NEWBORN

LARGEST_ORDER = 1 << 20
_HIGHEST = 1 << 20
"""Beyond every descriptor that Linux gives by default."""


class Newborn:
    """The launcher's end. ``report`` becomes readable when the command runs, or tells why it does not."""

    def __init__(self, pid: int, orders: socket.socket, report: int) -> None:
        self.pid, self._orders, self.report = pid, orders, report

    @classmethod
    def fork(cls) -> Newborn:
        """Make one. Raises OSError."""
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
        return cls(pid, here, report_read)

    def tell(self, order: bytes, output: int) -> None:
        """Give it the order (JSON) and the descriptor for its output. ConnectionError when it was killed."""
        with self._orders:
            socket.send_fds(self._orders, [order], [output])

    def end(self) -> None:
        """Kill it and forget it."""
        self._orders.close()
        os.close(self.report)
        kill_process(self.pid)
        os.waitpid(self.pid, 0)


def _wait_for_order(orders: socket.socket, launcher: int, report: int) -> NoReturn:
    """Live in the fork; never return."""
    die_with_parent(launcher)
    set_name(NEWBORN.decode())
    _close_all_but(orders.fileno(), report)
    inherited = prepare()
    data, descriptors, _, _ = socket.recv_fds(orders, LARGEST_ORDER, 1)
    if not data:
        os._exit(0)
    os.set_inheritable(descriptors[0], False)  # noqa: FBT003 - positional only
    become(json.loads(data), inherited, descriptors[0], launcher, report)


def _close_all_but(*kept: int) -> None:
    # The other end of its own orders would keep it waiting for ever, other commands' pipes keep those open.
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, _HIGHEST)
