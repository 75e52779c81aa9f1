"""Signals that come before there is a loop to take them: the tree never starts, and all is well."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any, Final

ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""The signals that end a root in order."""


class EarlySignals:
    """Ends the process with status 0 at a signal; after :meth:`hold`, only notes it for the root to see."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._first: signal.Signals | None = None
        self._held = False

    def listen(self, *, detached: bool = False) -> None:
        """Take the signals over. What the process was told to ignore stays so; ``detached``: SIGHUP too."""
        if detached:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._came)

    def hold(self) -> None:
        """Note from now on: a signal must not end the root in the middle of its preparations."""
        self._held = True

    def leave(self) -> None:
        """Give the signals back: this process will be no root."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def noted(self) -> bool:
        """Whether a signal has come."""
        return self._first is not None

    def _came(self, number: int, _frame: FrameType | None) -> None:
        if self._first is None:
            self._first = signal.Signals(number)
            if not self._held:
                raise SystemExit(0)


EARLY: Final = EarlySignals()
"""Those of this process."""


def block() -> None:
    """Let signals wait, also across an exec, until :func:`unblock`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def unblock() -> None:
    """Have waiting signals come now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
