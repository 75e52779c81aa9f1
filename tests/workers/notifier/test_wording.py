"""What people read of the tree."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.messages.notice import SupervisionEvent
from workers.notifier.kinds import KINDS, Words, check_template
from workers.notifier.message import Message
from workers.notifier.wording import duration, of_event


def told(event: str, child: str | None = "feed", **facts: Any) -> Message | None:
    """Return the message that an event makes, if it makes one."""
    found = of_event(SupervisionEvent(event=event, child=child, facts=facts), 5)
    return None if found is None else Words().message(found)


@pytest.mark.req("N1")
def test_a_restart_is_told_with_all_its_facts() -> None:
    """Attempt, reason, consecutive failures, uptime, next try."""
    message = told(
        "restarting",
        attempt=2,
        max_restarts=20,
        delay=1.5,
        reason="killed",
        consecutive_failures=2,
        uptime=3725.0,
    )

    assert message is not None
    assert message.priority == "warning"
    assert message.text == (
        "feed is restarted: killed, attempt 2 of 20, 2 failures in a row, it was up 1h 2m, next try in 1.5s"
    )


@pytest.mark.req("N1")
@pytest.mark.parametrize(
    ("event", "priority"),
    [
        ("root_started", "info"),
        ("root_stopped", "info"),
        ("stop_asked", "info"),
        ("restart_asked", "info"),
        ("reloaded", "info"),
        ("restarting", "warning"),
        ("hung", "warning"),
        ("warning", "warning"),
        ("parked", "critical"),
        ("held", "critical"),
        ("escalated", "critical"),
    ],
)
def test_an_event_without_facts_still_makes_a_sentence(event: str, priority: str) -> None:
    """A root of another version may leave facts out."""
    message = told(event)

    assert message is not None
    assert (message.kind, message.priority, message.at_ms) == (event, priority, 5)
    assert message.text


def test_what_is_nothing_to_tell() -> None:
    """Routine is silent, and so is what a root of a later version may say."""
    assert [told(event) for event in ("spawned", "ready", "stopped", "exited", "novelty")] == [None] * 5


@pytest.mark.req("S5")
def test_near_the_limit_of_restarts_people_are_warned() -> None:
    """With what the root says of it."""
    message = told("warning", what="restarts_near_limit", restarts=18, max_restarts=20)

    assert message is not None
    assert message.text == "feed: restarts_near_limit (restarts 18, max_restarts 20)"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (4.25, "4.2s"),
        (59.99, "60s"),
        (60, "1m"),
        (3725, "1h 2m"),
        (90000, "1d 1h"),
        (None, "unknown"),
        (True, "unknown"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    """Two units at most."""
    assert duration(seconds) == words


def test_every_kind_has_a_sentence_of_its_own_fields() -> None:
    """What is shipped keeps to the rule that users' templates keep to."""
    for name, kind in KINDS.items():
        check_template(name, kind.template)
