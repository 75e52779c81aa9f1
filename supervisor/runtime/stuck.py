"""Children that cannot become ready by themselves, told once to whoever waits for the first start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

_GIVEN_UP: Final = frozenset({"parked", "held"})
_MOST: Final = 20
"""How many of them are named."""


class Stuck:
    """Tells why the first start has not made all children ready, unless it had before. Once.

    ``told``: whom to tell; None: nobody waits.
    """

    def __init__(self, told: Callable[[str], None] | None) -> None:
        self._told = told
        self._was_told = False
        self.suspected = False

    def suspect(self) -> None:
        """Some child was given up on."""
        self.suspected = self._told is not None

    def settle(self) -> bool:
        """All are ready, and nothing is told from now on; returns whether nothing has been told yet."""
        self._told, self.suspected = None, False
        return not self._was_told

    def tell(self, status: Callable[[], Mapping[str, Any]]) -> None:
        """Tell, when a child that is wanted is down for good."""
        self.suspected = False
        given_up = [
            child for child in status()["children"] if child["wanted"] and child["state"] in _GIVEN_UP
        ]
        if given_up and self._told is not None:
            told, self._told, self._was_told = self._told, None, True
            told(reasons(given_up))


def reasons(children: list[Mapping[str, Any]]) -> str:
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
