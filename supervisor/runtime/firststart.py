"""What becomes of the first start, told once to whoever waits for it: all are ready, or why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from supervisor.engine.view import ChildView

_GIVEN_UP: Final = frozenset({"parked", "held"})
_MOST: Final = 20
"""How many of them are named."""


class FirstStart:
    """``ready`` is told that all are ready, ``failed`` why they cannot be; None: nobody waits."""

    def __init__(self, ready: Callable[[], None] | None, failed: Callable[[str], None] | None) -> None:
        self._ready, self._failed = ready, failed
        self._suspected = False
        self._answered = False
        self.over = False

    def suspect(self) -> None:
        """Some child was given up on."""
        self._suspected = True

    def all_ready(self) -> None:
        """All are ready: it is over."""
        self.over = True
        if self._ready is not None and not self._answered:
            self._ready()

    def look(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """The start has gone through all children: tell of a child that is wanted and down for good."""
        if not self._suspected or self._failed is None or self._answered or self.over:
            return
        self._suspected = False
        given_up = [
            child for child in status()["children"] if child["wanted"] and child["state"] in _GIVEN_UP
        ]
        if given_up:
            self._answered = True
            self._failed(reasons(given_up))


def are_ready(views: Sequence[ChildView], newest: str) -> bool:
    """Whether all that are wanted are ready; ``newest`` is just becoming so."""
    return all(view.state == "ready" or view.id == newest for view in views if view.wanted)


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
