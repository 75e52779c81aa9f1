"""Real prices: the demo's four days with brackets, funding and leverage, and a print that is none."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from protocol.messages.market import Instrument
from protocol.messages.trading import (
    Away,
    Bracket,
    EquityFraction,
    Quantity,
    StrategyRecord,
    Through,
    TradeClosed,
    WholePosition,
)
from tests.workers.broker.bench import BTC, Bench, D, bar, candle, order
from workers.broker.funding import Due
from workers.broker.matching import Terms
from workers.broker.state import restore
from workers.feed.config import FeedConfig
from workers.feed.recording import load

DEMO = Path(__file__).parents[3] / "workers" / "demo" / "btc-perp_1m_2022-01-09.csv.gz"

RATES = """\
1641686400000,0.0001
1641715200000,0.0001
1641744000000,0.0001
1641772800000,0.0001
1641801600000,0.0001
1641830400000,0.0001
1641859200000,0.0001
1641888000000,0.0001
1641916800000,0.00008221
1641945600000,0.0001
1641974400000,-0.00002945
1642003200000,0.0001
1642032000000,-0.00014544
"""
"""Bybit's BTCUSDT funding of these days (Apache-2.0, QuantConnect/Lean:
Data/cryptofuture/bybit/margin_interest/btcusdt.csv)."""

PRINTS = """\
ts_ms,price,amount,side,trade_id,recv_ts,exec_type
1680652874066,28147.10,0.002,buy,3535191078,1680652874.070620,MARKET
1680652874139,28147.00,0.005,sell,3535191079,1680652874.146719,MARKET
1680652874400,28722.50,0.001,sell,3535191080,1680652874.408176,INSURANCE_FUND
1680652874417,28147.00,0.001,sell,3535191081,1680652874.423166,MARKET
1680652874557,28147.00,0.003,sell,3535191082,1680652874.561928,MARKET
"""
"""Binance futures, 2023-04-05 00:01:14 (nkaz001/hftbacktest, examples/usdm/btcusdt_20230405.dat.gz, MIT)."""


def rates() -> list[Due]:
    """Return the funding of the demo's days."""
    pairs = (line.split(",") for line in RATES.splitlines())
    return [Due(int(at_ms), Decimal(rate)) for at_ms, rate in pairs]


@pytest.mark.req("B2")
@pytest.mark.req("B4")
def test_four_days_with_brackets_funding_and_leverage_balance() -> None:
    """Every cent of the ledger is explained: fills, fees, funding at its times while something was held."""
    recording = load(DEMO, FeedConfig(file="x", symbol=BTC, time="close", volume="quote"))
    market = [recording.message(n) for n in range(1, recording.count + 1)]
    said: list[StrategyRecord] = []
    for nth, row in enumerate(range(10, recording.count, 40)):
        said.append(order(row, "sell" if nth % 2 else "buy", WholePosition(), reduce_only=True))
        bracket = Bracket(stop=Away(D("0.004")), target=Away(D("0.006")))
        side = ("sell", "buy")[nth % 2]
        said.append(order(row, side, EquityFraction(D("2.5")), leg=1, bracket=bracket))  # type: ignore[arg-type]
    rules = Instrument(tick=D(1), step=D("0.0001"), contract="linear")
    bench = Bench(
        market,
        {"s": [*said, Through(recording.count)]},
        instrument=rules,
        terms=Terms(leverage=D(3)),
        funding=rates(),
    ).run()
    state = restore(bench.state, D(1))
    state.books.check()
    amounts = [D(str(amount)) for (amount,) in bench.rows("SELECT amount FROM ledger")]
    trips = [o for o in bench.outputs if isinstance(o, TradeClosed)]
    held = sum((trip.funding for trip in state.trips.values()), D(0))

    assert sum(amounts) == state.books.cash
    assert {fill.reason for fill in bench.fills} == {"signal", "stop", "target"}
    assert 3 < len(bench.rows("SELECT * FROM funding")) <= 13
    assert sum((trip.funding for trip in trips), held) == state.books.funding
    open_fees = sum((trip.fees for trip in state.trips.values()), D(0))
    assert sum((trip.fees for trip in trips), open_fees) == state.books.fees


@pytest.mark.req("B3")
def test_the_print_of_the_insurance_fund_triggers_nothing(tmp_path: Path) -> None:
    """Two per cent above the market, and no stop, target or limit knows of it."""
    tape = tmp_path / "tape.csv"
    tape.write_text(PRINTS)
    recording = load(tape, FeedConfig(file="x", symbol=BTC))
    market = [recording.message(n) for n in range(1, recording.count + 1)]
    bracket = Bracket(stop=Away(D("0.01")), target=Away(D("0.01")))
    said: list[StrategyRecord] = [
        order(1, "sell", Quantity(D("0.1")), bracket=bracket),
        order(1, "sell", Quantity(D("0.1")), leg=1, kind="limit", limit=D(28500)),
        order(1, "buy", Quantity(D("0.1")), leg=2, kind="stop", stop=D(28500)),
        Through(9),
    ]
    bench = Bench(market, {"s": said}, contract="linear").run()

    assert recording.rejected == 1
    assert [(fill.client_order_id, fill.price) for fill in bench.fills] == [("s-1-0", D("28144.18"))]


@pytest.mark.req("B4")
@pytest.mark.req("B2")
def test_a_liquidation_at_leverage_twenty() -> None:
    """Long at 100.01, 20 times: the margin is gone at 95.53...; the stop far below never comes to it."""
    crash = bar(3, "100", "100", "80", "82")
    bracket = Bracket(stop=Away(D("0.1")))
    said: list[StrategyRecord] = [order(1, "buy", Quantity(D(1000)), bracket=bracket), Through(3)]
    bench = Bench(
        [candle(1, "100"), candle(2, "100"), crash],
        {"s": said},
        contract="linear",
        terms=Terms(leverage=D(20)),
    ).run()
    (_, forced) = bench.fills

    assert (forced.reason, forced.price) == ("liquidation", D("95.52"))
    assert bench.rows("SELECT status, code FROM orders WHERE parent IS NOT NULL") == [
        ("cancelled", "liquidation")
    ]
