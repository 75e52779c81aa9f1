"""The orderly end: what is open is dealt with as configured, in one last step."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.messages.trading import AtPrice, Bracket
from tests.workers.broker.bench import Bench, D, candle, order
from tests.workers.broker.pit import ARRIVED, Live


def held(on_shutdown: Any) -> Live:
    """Give a market with a protected position and an entry that waits."""
    live = Live(on_shutdown=on_shutdown).quote("100", "100.1", now=0)
    live.order(name="in", bracket=Bracket(stop=AtPrice(D(90))))
    live.order(name="waits", kind="limit", limit=D(80))
    return live.quote("100", "100.1", now=ARRIVED)


@pytest.mark.req("B7")
@pytest.mark.parametrize(
    ("wish", "stop", "waits", "flat"),
    [
        ("keep", "accepted", "accepted", False),
        ("cancel", "accepted", "cancelled", False),
        ("close", "cancelled", "cancelled", True),
    ],
)
def test_open_orders_are_dealt_with_as_configured(wish: str, stop: str, waits: str, flat: bool) -> None:
    """Cancel takes back entries and leaves what protects; close ends the position on the fresh quote."""
    live = held(wish)
    live.bench.stop()

    statuses = live.statuses()
    assert (statuses["in/stop"], statuses["waits"]) == (stop, waits)
    assert (live.bench.rows("SELECT * FROM positions") == []) is flat
    if flat:
        assert live.bench.fills[-1].reason == "shutdown"


@pytest.mark.req("B7")
def test_without_a_fresh_quote_the_closing_order_waits_for_the_next_life() -> None:
    """No price, no fill: the first quote after the return closes it."""
    live = held("close").at(60_000)
    live.bench.stop()
    assert len(live.bench.fills) == 1

    live.revive().quote("99", "99.1", now=120_000)
    assert live.bench.fills[-1].reason == "shutdown"
    assert live.bench.fills[-1].late
    assert live.bench.fills[-1].position == 0


@pytest.mark.req("B7")
def test_with_nothing_open_there_is_no_last_step() -> None:
    """Nor is there one before the market is known."""
    bench = Bench([candle(1, "100")], {"s": [order(1)]}, on_shutdown="close")
    assert bench.core.close() is None


@pytest.mark.req("B5")
def test_while_the_disk_takes_nothing_there_are_no_entries_and_exits_go_on() -> None:
    """Critical as long as it lasts."""
    live = held("keep")
    assert live.core.storage(available=False)
    assert live.core.storage(available=False)
    live.at(ARRIVED)
    live.order(name="more")
    assert live.bench.denials == ["storage"]
    assert live.core.condition().critical

    live.quote("89", "89.1", now=1000)
    assert live.filled[-1] == ("in/stop", D(89), D(1))

    live.core.storage(available=True)
    live.at(1000)
    assert live.core.condition().reasons == ()


@pytest.mark.req("X2")
def test_a_recording_waits_for_the_disk() -> None:
    """Its ledger depends on the data alone: nothing is denied that another run would take."""
    bench = Bench([candle(1, "100")], {"s": [order(1)]}).run()

    assert not bench.core.storage(available=False)
    assert bench.core.condition().reasons == ()
