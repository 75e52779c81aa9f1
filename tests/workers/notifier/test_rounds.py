"""What the core says by the clock, and how it counts what repeats itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.workers.notifier.desk import HOUR, NOW, Desk
from tests.workers.notifier.test_trades import closed, fill
from workers.notifier.day import Tally
from workers.notifier.repeats import FIRST_PAUSE_MS
from workers.notifier.rounds import Equity


@pytest.mark.req("N1")
def test_a_heartbeat_comes_round_also_over_restarts(make_desk: Callable[..., Desk]) -> None:
    """Two hours after the last one, whoever lived in between; what was missed is sent once."""
    desk = make_desk(heartbeat_ms=2 * HOUR)
    desk.event("restarting", "feed")
    desk.run()
    assert desk.core._jobs["heartbeat"].remaining_ms(NOW) == 2 * HOUR

    desk.at_ms += HOUR
    desk.revive()
    desk.run()
    assert desk.core._jobs["heartbeat"].remaining_ms(desk.at_ms) == HOUR

    desk.at_ms += 9 * HOUR
    desk.run()
    assert desk.texts("heartbeat") == [
        "Alive: 0 fills, 0 trades closed, 1 restarts, 1 warnings in the last 2h"
    ]
    assert desk.core.counters()["last_heartbeat"] == "1970-02-12T02:00:00.000Z"


@pytest.mark.req("N1")
def test_health_tells_how_each_child_was_last_seen(make_desk: Callable[..., Desk]) -> None:
    """By name."""
    desk = make_desk(health_ms=HOUR)
    desk.event("ready", "feed")
    desk.event("parked", "strategy")
    desk.run()
    desk.at_ms += HOUR
    desk.run()

    assert desk.texts("health") == ["Health: feed ready, strategy parked"]


def test_a_clock_set_back_does_not_silence_the_heartbeat(make_desk: Callable[..., Desk]) -> None:
    """Counting begins anew."""
    desk = make_desk(heartbeat_ms=HOUR)
    desk.turn()
    desk.at_ms -= 500 * HOUR
    desk.turn()

    assert desk.core._jobs["heartbeat"].remaining_ms(desk.at_ms) == HOUR


@pytest.mark.req("N1")
def test_after_a_reboot_the_first_message_says_how_long_the_host_was_away(
    make_desk: Callable[..., Desk],
) -> None:
    """It comes before what is told of the new start; a restart of the notifier alone is no reboot."""
    desk = make_desk()
    desk.event("root_started", config="mine", version="1")
    desk.run()
    desk.at_ms += 60_000
    desk.turn()
    desk.revive()
    desk.run()
    assert len(desk.texts("rebooted")) == 0

    desk.boot = "boot-2"
    desk.at_ms += 3 * HOUR + 120_000
    desk.revive()
    desk.event("root_started", config="mine", version="1")
    desk.run()
    desk.revive()
    desk.run()

    assert [text.split(",")[0] for text in desk.texts()[1:]] == [
        "The host was started again: the system was away for 3h 2m",
        "Started with mine",
    ]


@pytest.mark.req("N2")
def test_errors_of_one_kind_three_times_then_a_count_at_growing_distances(
    make_desk: Callable[..., Desk],
) -> None:
    """Those of another kind are told all the same; what went quiet is told again at once."""
    desk = make_desk()
    for number in range(10):
        desk.event("warning", "feed", what=f"no data for {number} s")
    desk.event("warning", "broker", what="disk slow")
    desk.run()
    assert len(desk.texts("warning")) == 4

    desk.at_ms += FIRST_PAUSE_MS
    desk.run()
    (summary,) = desk.texts("repeated")
    assert summary.startswith("7 more since 1970-02-11 16:00, the last of them: feed: no data for 9 s")

    desk.event("warning", "feed", what="no data for 11 s")
    desk.at_ms += FIRST_PAUSE_MS
    desk.run()
    assert len(desk.texts("repeated")) == 1
    desk.at_ms += FIRST_PAUSE_MS
    desk.revive()
    desk.run()
    assert len(desk.texts("repeated")) == 2

    desk.at_ms += 100 * FIRST_PAUSE_MS
    desk.run()
    desk.event("warning", "feed", what="no data for 1 s")
    desk.run()
    assert len(desk.texts("warning")) == 5


@pytest.mark.req("N1")
def test_the_summary_of_the_day(make_desk: Callable[..., Desk]) -> None:
    """Profit, trades, win rate, fees, drawdown, restarts, uptime, and the course of the equity."""
    desk = make_desk(daily_minute=0)
    desk.event("root_started", config="mine", version="1")
    desk.account(fill("buy", "1", "1"))
    desk.account(closed("12.5"))
    desk.account(closed("-2.5"))
    desk.event("restarting", "feed", reason="killed")
    desk.run()
    desk.equity = lambda since_ms: [
        (since_ms + i, Decimal(v)) for i, v in enumerate(("100", "120", "90", "110"))
    ]
    desk.at_ms += 24 * HOUR
    desk.run()

    assert desk.texts("daily") == [
        "Summary from 1970-02-11 16:00 UTC to 1970-02-12 16:00 UTC\n"
        "Profit 10, 2 trades closed, 50% won, fees 0.21\n"
        "Equity 110, largest drawdown 25.00%\n"
        "▃█▁▅\n"
        "1 restarts, up 1d"
    ]
    assert desk.core._state.day == Tally(since_ms=desk.at_ms)


@pytest.mark.req("N3")
def test_a_scheduled_message_that_fails_is_logged_and_tried_an_hour_later_while_the_others_go_on(
    make_desk: Callable[..., Desk],
) -> None:
    """The broker's database cannot be read: the heartbeat comes, the summary when it can be read again."""
    desk = make_desk(daily_minute=0, heartbeat_ms=HOUR)

    def broken(_since_ms: int) -> Equity:
        raise OSError("the disk is gone")

    desk.equity = broken
    desk.run()
    desk.at_ms += 24 * HOUR
    desk.core.advance(desk.at_ms / 1000, desk.at_ms)
    step = desk.core.step()
    assert step is not None
    assert [(line.level, line.message) for line in step.logs] == [
        ("INFO", "heartbeat"),
        ("ERROR", "scheduled message failed"),
    ]
    assert step.logs[1].facts["error"] == "OSError: the disk is gone"
    desk.equity = lambda _since_ms: ()
    desk.run()
    assert desk.texts("daily") == []
    desk.at_ms += HOUR - 1
    desk.run()
    assert desk.texts("daily") == []
    desk.at_ms += 1
    desk.run()
    assert len(desk.texts("daily")) == 1
