"""The guard over live prices: an error is undone whole, told, and the next tick is acted on."""

from __future__ import annotations

import pytest

from protocol.messages.trading import TradingChanged
from tests.workers.broker.bench import D
from tests.workers.broker.pit import ARRIVED, LONG, T0, fresh, held
from workers.broker.breakers import Limits


@pytest.mark.req("B3")
def test_an_error_in_the_guard_changes_nothing_is_counted_and_the_guard_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Logged with its traceback, alerted, degraded; the next tick is acted on."""
    live = held(LONG)
    before = live.core._state.encode()
    broken = live.core._market.venue._pit
    with monkeypatch.context() as patch:
        patch.setattr(broken, "_act", lambda _quote: 1 / 0)
        live.quote("90", "90.1", now=1000)
    assert live.core.condition().errors == 1
    lines = [line for step in live.bench.steps for line in step.logs if line.message == "guard failed"]
    assert "ZeroDivisionError" in lines[0].facts["exception"]
    assert [o.trigger for o in live.bench.outputs if isinstance(o, TradingChanged)] == ["guard"]
    assert live.statuses()["in/stop"] == "accepted"
    assert before != live.core._state.encode()

    live.quote("90", "90.1", now=1001)
    assert live.filled[1:] == [("in/stop", D(90), D(1))]


@pytest.mark.req("B3")
def test_an_error_in_the_guard_leaves_no_trace_of_the_half_that_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The fill, its curb and its count are undone; a minute of errors is one alert, and the next another."""
    live = fresh(limits=Limits(losses=1, orders=None)).quote("100", "100.1", now=0)
    live.order(name="in", bracket=LONG)
    live.quote("100", "100.1", now=ARRIVED)
    state = live.core._state
    before = state.encode(), len(live.bench.outputs)
    clerk = live.core._market.office.clerk
    with monkeypatch.context() as patch:
        patch.setattr(clerk, "_follow", lambda *_: 1 / 0)
        for now in (1000, 2000, 62_000):
            state.at_ms = T0 + now
            live.core._guard.run(lambda: clerk.fill(state.working["in/stop"], D(1), D(90)))
    state.errors, state.last_error, state.at_ms = 0, None, T0 + ARRIVED
    notes = live.core._notes.take()

    assert state.encode() == before[0]
    assert notes.writes == []
    assert [type(output).__name__ for output in notes.outputs] == ["TradingChanged"] * 2
    assert [line.message for line in notes.logs] == ["guard failed"] * 3
