"""The wish to stop: SIGTERM and SIGINT only note it, the loop does the work."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any


class Stop:
    """Notes the wish from the moment of :meth:`install`, also while nothing runs yet that could obey."""

    def __init__(self) -> None:
        self.asked = False
        self._tell: Callable[[], object] | None = None
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Take over SIGTERM and SIGINT of this process. Raises ValueError outside the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._noted)

    def uninstall(self) -> None:
        """Give the signals back to whoever had them before. Harmless when repeated."""
        while self._before:
            signal.signal(*self._before.popitem())

    def tell(self, callback: Callable[[], object] | None) -> None:
        """Call ``callback`` at the next wish (None: nobody); it must be safe in a signal handler."""
        self._tell = callback

    def _noted(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True
        if self._tell is not None:
            self._tell()
