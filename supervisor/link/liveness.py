"""Who has not been heard of for too long. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from supervisor.engine.spec import Heartbeat

_LATE_S = 0.5
"""A check that comes this much after its time shows that the root itself was held up."""


@dataclass(frozen=True)
class Watch:
    """One child under watch since ``heard_at`` (monotonic seconds)."""

    incarnation: int
    heartbeat: Heartbeat
    heard_at: float

    def silence(self, now: float) -> float:
        """Seconds since it was heard."""
        return now - self.heard_at

    @property
    def allowed(self) -> float:
        """Seconds of silence after which it counts as hung."""
        return self.heartbeat.interval * self.heartbeat.misses


@dataclass(frozen=True)
class Overdue:
    """A child that counts as hung."""

    child: str
    incarnation: int
    silence: float


class Liveness:
    """Watches the heartbeats of ready children. ``check`` is to be called every ``interval`` seconds.

    If a check comes late, the root was suspended or blocked, and beats may still lie unread in its
    socket: everyone gets as much grace as the root was late.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._watches: dict[str, Watch] = {}
        self._checked_at: float | None = None

    def watch(self, child: str, incarnation: int, heartbeat: Heartbeat, now: float) -> None:
        """Expect beats of this incarnation from now on."""
        self._watches[child] = Watch(incarnation, heartbeat, now)

    def forget(self, child: str) -> None:
        """Expect nothing more of this child."""
        self._watches.pop(child, None)

    def heard(self, child: str, incarnation: int, now: float) -> None:
        """It gave a sign of progress."""
        watch = self._watches.get(child)
        if watch is not None and watch.incarnation == incarnation:
            self._watches[child] = replace(watch, heard_at=now)

    def silence(self, child: str, now: float) -> float | None:
        """Seconds since this child was heard; None if it is not watched."""
        watch = self._watches.get(child)
        return None if watch is None else watch.silence(now)

    def check(self, now: float) -> tuple[Overdue, ...]:
        """Those that count as hung now; each is told once."""
        self._give_grace(now)
        overdue = tuple(
            Overdue(child, watch.incarnation, watch.silence(now))
            for child, watch in self._watches.items()
            if watch.silence(now) > watch.allowed
        )
        for late in overdue:
            self.forget(late.child)
        return overdue

    def _give_grace(self, now: float) -> None:
        if self._checked_at is not None:
            late = now - self._checked_at - self._interval
            if late > _LATE_S:
                for child, watch in self._watches.items():
                    self._watches[child] = replace(watch, heard_at=min(now, watch.heard_at + late))
        self._checked_at = now
