"""The ledger depends on the data alone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.market import Candle, End
from protocol.messages.trading import EquityFraction, Order, Quantity, StrategyRecord, Through, WholePosition
from tests.workers.broker.bench import MINUTE, Bench, candle, order

ROWS = 12

prices = st.integers(80, 120).map(str)
sizes = st.one_of(
    st.sampled_from([EquityFraction(Decimal("0.3")), EquityFraction(Decimal(1)), WholePosition()]),
    st.decimals("-1", "30", places=3).map(Quantity),
)


@st.composite
def markets(draw: st.DrawFn) -> list[Candle | End]:
    """Draw a short recording with its end."""
    rows: list[Candle | End] = [candle(n, draw(prices), draw(prices)) for n in range(1, ROWS)]
    return [*rows, End(on_end="shutdown", at_ms=ROWS * MINUTE)]


@st.composite
def streams(draw: st.DrawFn, name: str) -> list[StrategyRecord]:
    """Draw what a strategy says: orders of some rows, doubled or late at times, each row finished."""
    said: list[StrategyRecord] = []
    for row in range(1, ROWS + 1):
        said.extend(draw(orders(name, row, leg)) for leg in range(draw(st.integers(0, 2))))
        if draw(st.booleans()) or row == ROWS:
            said.append(Through(row))
        if said and draw(st.integers(0, 9)) == 0:
            said.append(draw(st.sampled_from(said)))
    return [*said, Through(ROWS, end=True)]


@st.composite
def orders(draw: st.DrawFn, name: str, row: int, leg: int) -> Order:
    """Draw an order, at times one that must be denied."""
    size, reduce_only = draw(sizes), draw(st.booleans())
    side = draw(st.sampled_from(["buy", "sell"]))
    return order(row, side, size, leg=leg, strategy=name, reduce_only=reduce_only)  # type: ignore[arg-type]


@pytest.mark.req("X2")
@pytest.mark.req("B5")
@settings(max_examples=120)
@given(st.data())
def test_batches_and_restarts_change_nothing(data: st.DataObject) -> None:
    """However the streams are cut and wherever the broker is killed: the same ledger to the last digit."""
    market = data.draw(markets())
    said = {name: data.draw(streams(name)) for name in ("a", "b")}
    contract = data.draw(st.sampled_from(["spot", "linear"]))
    listens = data.draw(st.booleans())
    whole = Bench(market, said, contract).run()
    bench = Bench(market, said, contract, listens=listens)
    for _ in range(data.draw(st.integers(0, 40))):
        match data.draw(st.sampled_from(["feed", "a", "b", "step", "step", "kill"])):
            case "step":
                bench.turn()
            case "kill":
                bench.revive()
            case source:
                bench.deliver(source, data.draw(st.integers(1, 5)))
    bench.run()

    assert whole.core.finished == bench.core.finished == "shutdown"
    assert whole.digest() == bench.digest()
    assert whole.fills == bench.fills
