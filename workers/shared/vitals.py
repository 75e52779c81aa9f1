"""How a worker does: what its beats and its health line say. Pure, time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.messages.control import Beat, Health
from workers.shared.worker import Condition

TROUBLED_S: Final = 300.0
"""How long an error makes a worker ``degraded``."""
SETTLED_S: Final = 1.0
"""A wait or a backlog shorter than this is the normal rhythm of a stream, and not mentioned."""


@dataclass
class Since:
    """For how long something has been so without a break."""

    name: str | None = None
    at: float = 0.0

    def note(self, name: str | None, now: float) -> None:
        """Learn what is so now (None: nothing)."""
        if name != self.name:
            self.name, self.at = name, now

    def lasting(self, now: float) -> str | None:
        """Return what has been so for longer than ``SETTLED_S``."""
        return self.name if self.name is not None and now - self.at > SETTLED_S else None


@dataclass
class Vitals:
    """Counts and times that the shell notes while it works."""

    born_with_errors: int = 0
    loops: int = 0
    errors: int = 0
    last_error: str | None = None
    storage_fault: str | None = None
    seen_errors: int = 0
    trouble_until: float = float("-inf")

    def __post_init__(self) -> None:
        """Start with nothing to wait for; errors of earlier lives are no news."""
        self.waiting = Since()
        self.behind = Since()
        self.seen_errors = self.born_with_errors

    def failed(self, error: str) -> None:
        """Count an error of the shell itself."""
        self.errors += 1
        self.last_error = error

    def beat(
        self,
        now: float,
        condition: Condition,
        counters: dict[str, int | str | None],
        newest_ms: int | None,
        storage: tuple[str, ...] = (),
    ) -> Beat:
        """Return the beat for this instant."""
        errors = self.errors + condition.errors
        if errors > self.seen_errors:
            self.seen_errors, self.trouble_until = errors, now + TROUBLED_S
        reasons = (*self._reasons(now, condition), *storage)
        return Beat(
            loops=self.loops,
            errors=errors,
            last_error=condition.last_error or self.last_error,
            health=_health(condition, reasons),
            reasons=reasons,
            waiting_for=self.waiting.lasting(now),
            last_data_ms=newest_ms if condition.last_data_ms is None else condition.last_data_ms,
            counters=counters,
        )

    def _reasons(self, now: float, condition: Condition) -> tuple[str, ...]:
        found = list(condition.reasons)
        if self.storage_fault is not None:
            found.append(self.storage_fault)
        if (source := self.waiting.lasting(now)) is not None:
            found.append(f"waiting for {source}")
        if (source := self.behind.lasting(now)) is not None:
            found.append(f"catching up with {source}")
        if now < self.trouble_until:
            found.append("errors in the last 5 minutes")
        return tuple(found)


def _health(condition: Condition, reasons: tuple[str, ...]) -> Health:
    if condition.critical:
        return "critical"
    return "degraded" if reasons else "healthy"
