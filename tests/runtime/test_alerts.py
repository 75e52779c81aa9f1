"""Critical news when the notifier is away."""

from __future__ import annotations

import pytest

from protocol.messages.notice import SupervisionEvent
from supervisor.runtime.alerts import Alerts

PARKED = SupervisionEvent(event="parked", child="broker", incarnation=7, facts={"reason": "config"})
READY = SupervisionEvent(event="ready", child="notifier")
GONE = SupervisionEvent(event="exited", child="notifier", facts={"reason": "crashed", "code": 1})
NOTIFIER_PARKED = SupervisionEvent(event="parked", child="notifier", facts={"reason": "config"})


@pytest.mark.req("N5")
def test_notifier_that_is_there_tells_itself() -> None:
    """While it is ready nothing else goes out, however long."""
    alerts = Alerts("notifier", 60.0, 0.0)
    alerts.hear(READY, 1.0, 0.0)
    alerts.hear(PARKED, 2.0, 0.0)

    assert alerts.due(10_000.0) == ()


@pytest.mark.req("N5")
def test_notifier_that_comes_back_in_time_tells_itself() -> None:
    """It reads the journal from its cursor: what waited is dropped."""
    alerts = Alerts("notifier", 60.0, 0.0)
    alerts.hear(READY, 1.0, 0.0)
    alerts.hear(GONE, 2.0, 0.0)
    alerts.hear(PARKED, 3.0, 0.0)
    assert alerts.due(61.9) == ()
    alerts.hear(READY, 61.9, 0.0)

    assert alerts.due(10_000.0) == ()


@pytest.mark.req("N5")
def test_each_alert_goes_out_once() -> None:
    """After a minute without the notifier; its own parking is an alert too; later ones go at once."""
    alerts = Alerts("notifier", 60.0, 0.0)
    alerts.hear(READY, 1.0, 0.0)
    alerts.hear(GONE, 2.0, 0.0)
    alerts.hear(NOTIFIER_PARKED, 3.0, 0.0)
    alerts.hear(GONE, 50.0, 0.0)  # of a start in between that came to nothing

    (first,) = alerts.due(62.0)
    assert first.facts["child"] == "notifier"
    assert alerts.due(63.0) == ()
    alerts.hear(PARKED, 70.0, 1_700_000_000.0)
    (second,) = alerts.due(70.0)
    assert second.sentence == "broker is parked (config): it stays down until `supervisor restart broker`"
    assert second.facts == {
        "at": "2023-11-14T22:13:20.000Z", "event": "parked", "child": "broker", "incarnation": 7,
        "reason": "config", "level": "critical", "message": second.sentence,
    }  # fmt: skip


@pytest.mark.req("N5")
def test_tree_without_a_notifier_alerts_by_itself() -> None:
    """A child that never comes is away from the start; what is not critical never goes out."""
    alerts = Alerts("notifier", 0.0, 0.0)
    alerts.hear(GONE, 1.0, 0.0)
    alerts.hear(PARKED, 2.0, 0.0)

    assert ["parked"] == [alert.facts["event"] for alert in alerts.due(2.0)]
