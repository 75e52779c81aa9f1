"""Who counts as hung, and who gets grace."""

from __future__ import annotations

import pytest

from supervisor.engine.spec import Heartbeat
from supervisor.link.liveness import Liveness, Overdue

BEAT = Heartbeat(interval=1.0, misses=5)


def checked(liveness: Liveness, start: float, end: float) -> list[Overdue]:
    """Check four times a second from ``start`` to ``end``."""
    found: list[Overdue] = []
    for tick in range(int((end - start) * 4) + 1):
        found.extend(liveness.check(start + tick / 4))
    return found


@pytest.mark.req("S4")
def test_child_silent_for_more_than_its_misses_is_told_once() -> None:
    """Five seconds may pass without a beat, not more; it is said once."""
    liveness = Liveness(0.25)
    liveness.watch("a", 1, BEAT, 100.0)

    assert checked(liveness, 100.0, 105.0) == []
    assert checked(liveness, 105.25, 120.0) == [Overdue("a", 1, 5.25)]


@pytest.mark.req("S4")
def test_beats_keep_it_alive_and_those_of_another_incarnation_do_not() -> None:
    """Only the incarnation under watch is heard."""
    liveness = Liveness(0.25)
    liveness.watch("a", 2, BEAT, 100.0)
    checked(liveness, 100.0, 104.0)
    liveness.heard("a", 2, 104.0)
    liveness.heard("a", 1, 106.0)

    assert checked(liveness, 104.25, 109.0) == []
    assert [late.child for late in checked(liveness, 109.25, 110.0)] == ["a"]


@pytest.mark.req("S4")
def test_suspended_root_gives_everyone_grace_before_it_judges() -> None:
    """A root that slept for an hour cannot say who is hung; after the grace it can."""
    liveness = Liveness(0.25)
    liveness.watch("a", 1, BEAT, 100.0)
    checked(liveness, 100.0, 101.0)

    assert liveness.check(3701.0) == ()
    assert checked(liveness, 3701.25, 3704.75) == []
    assert [late.child for late in checked(liveness, 3705.0, 3706.5)] == ["a"]


def test_forgotten_child_is_never_overdue() -> None:
    """It ended: nothing is expected of it."""
    liveness = Liveness(0.25)
    liveness.watch("a", 1, BEAT, 100.0)
    liveness.forget("a")

    assert checked(liveness, 100.0, 200.0) == []
    assert liveness.silence("a", 200.0) is None
