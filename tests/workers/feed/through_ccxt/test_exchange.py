"""What ccxt says, taken apart by our own rules, and what the live core makes of it in simulated time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings

from protocol.messages.tick import Quote, Trade
from tests.workers.feed.exchanges.markets import market
from tests.workers.feed.exchanges.test_fuzz import JUNK, only_bad_frames
from tests.workers.feed.live.bench import MINUTE, START_MS, Bench
from tests.workers.feed.through_ccxt.fake import MARKET
from workers.feed.exchanges.events import BadFrame, Print, UnknownMarket
from workers.feed.exchanges.port import Request
from workers.feed.live.errors import NoData
from workers.feed.through_ccxt.exchange import CcxtExchange, unified

HAS = {"watchTrades": True, "watchBidsAsks": True, "fetchOHLCV": True}
FAKE = CcxtExchange("fake", HAS, {"1m": "1m", "1h": "1h", "1d": "1d"})
SPOT = market("BTC/USDT")


def trades(at_ms: int, number: int = 1, **more: Any) -> str:
    row = {
        "id": str(number),
        "price": "100.5",
        "amount": "0.2",
        "side": "buy",
        "info": {},
        "timestamp": at_ms,
    }
    return json.dumps({"trade": {**row, **more}, "size": "1"})


def quotes(at_ms: int, **more: Any) -> str:
    row = {"bid": "100.4", "ask": "100.6", "bidVolume": "1", "askVolume": None, "timestamp": at_ms}
    return json.dumps({"ticker": {**row, **more}, "size": "1"})


def grids(**more: Any) -> str:
    return json.dumps({**MARKET, "steps": True, **more})


def history(query: Mapping[str, str], now_ms: int) -> str:
    """Return all candles asked for, the forming one included."""
    start = -(-int(query["since"]) // MINUTE) * MINUTE
    opens = range(start, min(start + int(query["limit"]) * MINUTE, now_ms + 1), MINUTE)
    return json.dumps([[at, "100", "101", "99", "100.5", "7"] for at in opens])


def bench(**more: Any) -> Bench:
    return Bench(exchange=FAKE, history=history, **more)


@pytest.mark.req("F6")
def test_each_candle_goes_out_when_rest_has_confirmed_it() -> None:
    """Of its streams only quotes and trades are used: ccxt's candles have no flag of the close."""
    tried = bench()
    tried.stream(trades, 1.0, 200.0)
    tried.stream(quotes, 0.5, 200.0)
    tried.run(200.0)

    assert [0, 1, 2] == tried.opens()
    assert {Decimal("100.5")} == {candle.close for candle in tried.candles}
    assert not any(candle.backfilled for candle in tried.candles)
    assert {Quote, Trade} == {type(tick) for tick in tried.ticks}
    assert ("connected", 0) == (tried.count("connection"), tried.count("rejected"))
    # Asked for 4 s after its close and, as nothing stood behind it, 5 s later at most.
    assert all(at - 1000.0 - 60 * (n + 1) < 10 for n, at in enumerate(tried.asked("candles")[:3]))


@pytest.mark.req("F4")
def test_nan_none_and_negative_prices_of_ccxt_never_go_out() -> None:
    """It passes them on; our validation does not."""
    tried = bench()
    tried.run(1.0)
    for n, price in enumerate((None, "NaN", "-1", "0", "1e9999", "200.5")):
        tried.say(trades(tried.exchange_ms, n), trades(tried.exchange_ms, 10 + n, price=price))
    tried.run(0.1)

    assert {Decimal("100.5")} == {tick.price for tick in tried.ticks if isinstance(tick, Trade)}
    assert 6 == tried.count("rejected")


@pytest.mark.req("F5")
def test_frames_that_ccxt_cannot_take_are_counted_and_end_nothing() -> None:
    """They count as data for the clocks: the exchange does talk."""
    tried = bench()
    tried.run(0.5)
    tried.stream(lambda _: '{"bad":"TypeError: x"}', 1.0, 60.0)
    tried.run(60.0)

    assert (60, 0) == (tried.count("rejected"), tried.count("reconnects"))


@pytest.mark.req("F2", "F4")
def test_a_library_that_stalls_is_thrown_away_and_then_the_process_with_it() -> None:
    """20 s of silence cost the client, 30 s the process: not the 540 s of ccxt's own."""
    tried = bench()
    tried.run(1.0)
    tried.say(trades(tried.exchange_ms))
    with pytest.raises(NoData, match=r"ccxt:fake BTC/USDT: no data for 30 s"):
        tried.run(60.0)

    assert tried.now < 1000.0 + 32.0
    assert 2 <= len(tried.connects())


@pytest.mark.req("F7")
def test_an_exchange_that_can_only_be_asked_is_polled() -> None:
    """No connection; candles at most once in each ``poll_interval``."""
    deaf = CcxtExchange("deaf", {"fetchOHLCV": True}, {"1m": "1m"})
    tried = Bench(exchange=deaf, history=history, settings={"poll_s": 10.0})
    tried.run(300.0)

    assert () == deaf.lines(SPOT)
    assert ("polling", [0, 1, 2, 3]) == (tried.count("connection"), tried.opens()[:4])
    assert 31 >= len(tried.asked("candles"))


@pytest.mark.req("F1")
def test_names_and_timeframes_are_translated() -> None:
    """A perpetual is named with its settlement; 1D is 1d; what ccxt lacks is made of minutes."""
    written = (("BTC/USDT", False), ("BTC/USDT", True), ("BTC/USD:BTC", True), ("BTCUSDT", False))
    found = [unified(market(symbol, "perpetual" if swap else "spot")) for symbol, swap in written]
    assert ["BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC", "BTCUSDT"] == found
    assert frozenset({"1m", "1h", "1D"}) == FAKE.timeframes
    assert frozenset() == CcxtExchange("x", {}, None).timeframes
    asked = FAKE.history(market("BTC/USDT", timeframe="1D"), 5, 1000)
    wanted = {"symbol": "BTC/USDT", "timeframe": "1d", "since": "5", "limit": "200"}
    assert Request("/candles", wanted) == asked


@pytest.mark.req("F1")
def test_grids_of_contracts_count_in_the_base_currency() -> None:
    """A contract of 0.01 BTC: step and amounts are in BTC."""
    wanted = market("BTC/USDT", "perpetual")
    found = FAKE.parse_instrument(wanted, grids(contractSize="0.01", contract=True))
    frame = json.loads(trades(START_MS))
    [trade] = FAKE.session(wanted).parse(json.dumps({**frame, "size": "0.01"}))

    assert ("0.01", "0.000001", "0.00001", "5") == tuple(
        f"{it:f}" for it in (found.tick, found.step, found.min_quantity, found.min_notional)
    )
    assert "linear" == found.contract
    assert isinstance(trade, Print)
    assert Decimal("0.002") == trade.amount


@pytest.mark.req("F1")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (grids(inverse=True), "inverse"),
        (grids(steps=False), "precision"),
        (grids(precision={"price": None, "amount": "1"}), "number"),
        (grids(precision={"price": "0", "amount": "1"}), "number"),
    ],
)
def test_grids_that_are_none_are_refused(body: str, kind: str) -> None:
    """Inverse contracts, numbers of digits instead of steps, no steps at all."""
    with pytest.raises(BadFrame) as caught:
        FAKE.parse_instrument(SPOT, body)

    assert kind == caught.value.kind


@pytest.mark.req("F1")
def test_an_unknown_market_is_named() -> None:
    """As by the exchanges that are native here."""
    with pytest.raises(UnknownMarket, match="FOO/BAR"):
        FAKE.parse_instrument(SPOT, '{"unknown":"FOO/BAR"}')


@pytest.mark.req("F1")
def test_the_clock_is_asked_where_the_library_can() -> None:
    """Else its messages are the measure."""
    told = CcxtExchange("x", {"fetchTime": True}, None)

    assert (None, Request("/time")) == (FAKE.clock("spot"), told.clock("spot"))
    assert 1_795_190_000_000 == told.parse_clock("1795190000000")


@pytest.mark.req("F5")
def test_a_print_of_an_insurance_fund_is_not_ordinary() -> None:
    """ccxt keeps Binance's own row beside its trade."""
    [trade] = FAKE.session(SPOT).parse(trades(START_MS, info={"X": "INSURANCE_FUND"}))

    assert isinstance(trade, Print)
    assert not trade.ordinary


@pytest.mark.req("F5")
@given(raw=JUNK.map(lambda it: json.dumps(it, default=str)))
@settings(max_examples=25)
def test_whatever_ccxt_says_raises_nothing_but_bad_frames(raw: str) -> None:
    """Any JSON, to every parser, also in each place of a frame."""
    session = FAKE.session(SPOT)
    frames = (raw, f'{{"trade":{raw},"size":"1"}}', f'{{"ticker":{raw},"size":"1"}}')
    for text in (*frames, f'{{"ticker":{{"bid":{raw},"ask":{raw}}},"size":{raw}}}', f"[[{raw},1,1,1,1,1]]"):
        only_bad_frames(lambda text=text: session.parse(text))  # type: ignore[misc]
        only_bad_frames(lambda text=text: FAKE.parse_history(SPOT, text))  # type: ignore[misc]
        only_bad_frames(lambda text=text: FAKE.parse_instrument(SPOT, text))  # type: ignore[misc]
    only_bad_frames(lambda: FAKE.parse_clock(raw))
