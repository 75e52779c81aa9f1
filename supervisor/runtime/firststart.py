"""What becomes of the first start, told once to whoever waits for it: all are ready, or why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from supervisor.engine.spec import WorkerSpec
from supervisor.engine.view import ChildView

_GIVEN_UP: Final = frozenset({"parked", "held"})
SETTLE_S: Final = 1.0
"""As long as supervisord's ``startsecs``: a program that cannot work has as a rule told so by then."""
_MOST: Final = 20
"""How many of them are named."""


class Clock(Protocol):
    """The part of an asyncio loop that is used here."""

    def time(self) -> float:
        """Monotonic seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Handle:
        """Call it once, then."""
        ...


class Handle(Protocol):
    """What ``call_later`` returns."""

    def cancel(self) -> None:
        """Do not call it."""
        ...


class Children(Protocol):
    """The part of the engine that is used here."""

    def view(self, now: float) -> Sequence[ChildView]:
        """All children."""
        ...

    def spec_of(self, child: str) -> WorkerSpec | None:
        """The specification of a worker; None: it is none."""
        ...


class FirstStart:
    """``ready`` is told when all are ready, and whether nothing has been told before; ``failed`` why not."""

    def __init__(
        self,
        clock: Clock,
        children: Children,
        *,
        ready: Callable[[bool], None],
        failed: Callable[[str], None] | None,
    ) -> None:
        self._clock, self._children = clock, children
        self._ready, self._failed = ready, failed
        self._settling: Handle | None = None
        self._suspected = False
        self._answered = False
        self._over = False

    def suspect(self) -> None:
        """Some child was given up on."""
        self._suspected = True

    def look(self, newest: str = "") -> None:
        """The start has gone through all children, and ``newest`` is becoming ready."""
        self.close()
        if self._over:
            return
        now = self._clock.time()
        views = self._children.view(now)
        left = settled_in(views, newest=newest, immediate=self._is_immediate, now=now)
        if left is None:  # the next one that becomes ready brings us here again
            return
        if left > 0:
            self._settling = self._clock.call_later(left, self.look)
            return
        self._over = True
        self._ready(not self._answered)

    def check(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """The start has gone through all children: tell of a child that is wanted and down for good."""
        if not self._suspected or self._failed is None or self._answered or self._over:
            return
        self._suspected = False
        given_up = [
            child for child in status()["children"] if child["wanted"] and child["state"] in _GIVEN_UP
        ]
        if given_up:
            self._answered = True
            self._failed(reasons(given_up))

    def close(self) -> None:
        """Look no more by itself."""
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    def _is_immediate(self, child: str) -> bool:
        spec = self._children.spec_of(child)
        return spec is not None and spec.ready == "immediate"


def settled_in(
    views: Sequence[ChildView], *, newest: str, immediate: Callable[[str], bool], now: float
) -> float | None:
    """Seconds until all that are wanted count as ready, if nothing happens meanwhile; None: not by itself.

    ``newest`` is just becoming ready. ``immediate``: whether a child counts as ready as soon as it exists;
    that is believed only when it is still alive ``SETTLE_S`` after its birth.
    """
    left = 0.0
    for view in views:
        if not view.wanted:
            continue
        if view.state != "ready" and view.id != newest:
            return None
        if view.since is not None and immediate(view.id):
            left = max(left, view.since + SETTLE_S - now)
    return left


def reasons(children: Sequence[Mapping[str, Any]]) -> str:
    """A line for each child: its state and its last error."""
    lines = [f"{child['id']} is {child['state']}: {_why(child)}" for child in children[:_MOST]]
    if len(children) > _MOST:
        lines.append(f"... and {len(children) - _MOST} more")
    return "\n".join(lines)


def _why(child: Mapping[str, Any]) -> str:
    if child["last_error"]:
        return str(child["last_error"])
    last = child["last_exit"]
    if last is None:
        return f"see `supervisor why {child['id']}`"
    how = last["signal"] or f"code {last['code']}"
    return f"{last['reason']} ({how}), see `supervisor logs {child['id']}`"
