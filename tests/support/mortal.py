"""The trading workers, each life of which ends by SIGKILL at the next of the crash points; then they live on.

``start = "tests.support.mortal:broker"`` and so on. Which life it is, the launch says; which points
there are, the variable :data:`POINTS` in the environment of the root (their names; default: all).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

import workers.broker
import workers.feed
import workers.notifier
import workers.shared.process
import workers.strategy
from protocol.messages.control import Launch
from tests.support.crashpoints import DOOR, CrashPoint, arm, passed_by
from workers.shared.shell import Shell

POINTS = "TEST_CRASH_POINTS"

Main = Callable[[Launch], int]


def kill_self() -> NoReturn:
    """End as a power cut ends a process."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL was survived")


def lives(room: str) -> tuple[CrashPoint, ...]:
    """Where each life of a worker ends, the first one first."""
    wanted = os.environ.get(POINTS)
    return tuple(point for point in passed_by(room) if wanted is None or point.name in wanted.split())


def _mortal(room: str, main: Main) -> Main:
    def live(launch: Launch) -> int:
        points = lives(room)
        if launch.incarnation <= len(points):
            _arm_shells(points[launch.incarnation - 1])
        return main(launch)

    return live


def _arm_shells(point: CrashPoint) -> None:
    class MortalShell(Shell):
        def open(self) -> None:
            arm(self, point, 1 if point in DOOR else 2, kill_self)
            super().open()

    vars(workers.shared.process)["Shell"] = MortalShell


feed = _mortal("feed", workers.feed.main)
strategy = _mortal("strategy", workers.strategy.main)
broker = _mortal("broker", workers.broker.main)
notifier = _mortal("notifier", workers.notifier.main)
