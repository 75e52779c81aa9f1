"""What beats say."""

from __future__ import annotations

import pytest

from protocol.messages.control import Beat
from workers.shared.vitals import SETTLED_S, TROUBLED_S, Vitals
from workers.shared.worker import Condition

LATER = SETTLED_S + 0.1


def beat(vitals: Vitals, now: float, condition: Condition | None = None) -> Beat:
    return vitals.beat(now, condition or Condition(), {}, None)


def test_nothing_to_tell_is_healthy() -> None:
    """No reasons, no errors, nothing waited for."""
    assert ("healthy", (), None) == (
        beat(Vitals(), 0.0).health,
        beat(Vitals(), 0.0).reasons,
        beat(Vitals(), 0.0).waiting_for,
    )


@pytest.mark.req("H1")
def test_wait_is_told_when_it_lasts() -> None:
    """The rhythm of lockstep is no waiting; a neighbour that is away is."""
    vitals = Vitals()
    vitals.waiting.note("strategy", 10.0)

    assert "healthy" == beat(vitals, 10.5).health
    lasting = beat(vitals, 10.0 + LATER)
    assert ("degraded", "strategy", ("waiting for strategy",)) == (
        lasting.health,
        lasting.waiting_for,
        lasting.reasons,
    )
    vitals.waiting.note(None, 12.0)
    assert "healthy" == beat(vitals, 20.0).health


@pytest.mark.req("H1")
def test_backlog_is_told_when_it_lasts() -> None:
    """Catching up is a reason for degraded."""
    vitals = Vitals()
    vitals.behind.note("feed", 0.0)

    assert ("catching up with feed",) == beat(vitals, LATER).reasons


@pytest.mark.req("H1")
def test_error_degrades_for_five_minutes() -> None:
    """A new error shows for five minutes; errors of earlier lives do not."""
    vitals = Vitals(born_with_errors=3)
    assert "healthy" == beat(vitals, 0.0, Condition(errors=3)).health

    assert "degraded" == beat(vitals, 1.0, Condition(errors=4, last_error="x")).health
    assert "degraded" == beat(vitals, TROUBLED_S, Condition(errors=4)).health
    assert "healthy" == beat(vitals, 1.0 + TROUBLED_S, Condition(errors=4)).health


def test_the_worker_may_be_critical() -> None:
    """What the worker says of itself goes first."""
    told = beat(Vitals(), 0.0, Condition(reasons=("books broken",), critical=True))

    assert ("critical", ("books broken",)) == (told.health, told.reasons)


def test_shell_errors_and_storage_are_counted_in() -> None:
    """Errors of shell and core are one figure."""
    vitals = Vitals()
    vitals.failed("disk full")
    vitals.storage_fault = "disk full"
    told = beat(vitals, 0.0, Condition(errors=2))

    assert (3, "disk full") == (told.errors, told.last_error)
    assert "disk full" in told.reasons
