"""Positions: as the broker tells them where the inputs name it, else as the own orders lead."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages.market import Candle
from protocol.messages.stream import AccountRole
from protocol.messages.trading import (
    AccountRecord,
    Away,
    Cancel,
    Fill,
    Order,
    OrderChanged,
    OrderStatus,
    Side,
    Through,
    WholePosition,
)
from tests.workers.strategy.market import Taken, account, candles, drive, made, role
from workers.strategy.api import Context, Intent, Position, Strategy, StrategyParameters, Withdraw
from workers.strategy.book import Book, Held
from workers.strategy.core import StrategyCore
from workers.strategy.inputs import AccountForgotten
from workers.strategy.wishes import Wish

STOP = Away(Decimal("0.02"))


class Noting(Strategy):
    """Says what the script says at each close, and notes what it was told of its position and orders."""

    def __init__(self, script: dict[str, list[Wish]]) -> None:
        super().__init__(StrategyParameters())
        self.script = script
        self.seen: list[tuple[str, Position, int]] = []

    def on_candle(self, context: Context, candle: Candle) -> list[Wish]:
        self.seen.append((str(candle.close), context.position, len(context.orders)))
        return self.script.get(str(candle.close), [])


def changed(order: Order, status: OrderStatus) -> OrderChanged:
    return OrderChanged(
        client_order_id=order.client_order_id,
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        status=status,
        at_ms=0,
    )


def filled(order_id: str, side: Side, quantity: str, price: str, strategy: str = "strategy") -> Fill:
    zero = Decimal(0)
    return Fill(
        fill_id=f"{order_id}:1",
        client_order_id=order_id,
        strategy=strategy,
        symbol="BTC/USDT",
        side=side,
        price=Decimal(price),
        quantity=Decimal(quantity),
        fee=zero,
        realised=zero,
        position=zero,
        at_ms=0,
        row=1,
    )


class Floor:
    """A core with its broker, row by row; ``news`` are what the broker says of a row before it is done."""

    def __init__(self, script: dict[str, list[Wish]], **settings: Any) -> None:
        self.strategy = Noting(script)
        self.core: StrategyCore = made(self.strategy, inputs=("feed", "broker"), **settings)
        self.core.introduce("feed", role())
        self.core.introduce("broker", AccountRole())
        self.taken = Taken()
        self.core.receive("feed", candles([10, 11, 12, 13, 14]))
        self._seq = 0

    def row(self, row: int, *news: AccountRecord) -> list[Any]:
        """Let the broker finish a row; returns what the strategy then sends but watermarks and signals."""
        before = len(self.taken.outputs)
        records = account([*news, Through(row)])
        self.core.receive("broker", [type(r)(r.seq + self._seq, r.at_ms, r.body) for r in records])
        self._seq += len(records)
        while (step := self.core.step()) is not None:
            self.taken.add(step)
        return [it for it in self.taken.outputs[before:] if isinstance(it, Order | Cancel)]

    @property
    def positions(self) -> list[tuple[str, str | None]]:
        """The direction and quantity that were told with each candle."""
        return [
            (it.direction, None if it.quantity is None else str(it.quantity))
            for _, it, _ in self.strategy.seen
        ]


@pytest.mark.req("T6")
def test_a_position_that_a_stop_closed_may_be_entered_again() -> None:
    """The broker's fills say what is held, so that the same direction is wanted anew after a stop."""
    floor = Floor({close: [Intent("enter_long", stop=STOP)] for close in ("11", "12", "13")})
    floor.row(1)
    (entry,) = floor.row(2)
    assert [] == floor.row(3, filled(entry.client_order_id, "buy", "2", "12"), changed(entry, "filled"))
    (again,) = floor.row(4, filled("a stop of the broker", "sell", "2", "11"))

    assert ("buy", STOP) == (again.side, again.bracket.stop)
    assert [("flat", "0"), ("long", "2"), ("flat", "0")] == floor.positions


@pytest.mark.req("T6")
def test_an_order_on_its_way_counts_as_what_it_wants() -> None:
    """Until its end is known no second one is sent; when it is denied, the position is what it was."""
    floor = Floor({close: [Intent("enter_long")] for close in ("11", "12", "13")})
    floor.row(1)
    (first,) = floor.row(2)
    assert [] == floor.row(3)
    (second,) = floor.row(4, changed(first, "denied"))

    assert first.client_order_id != second.client_order_id
    assert ["flat", "long", "flat"] == [direction for direction, _ in floor.positions]


@pytest.mark.req("T6")
def test_orders_at_rest_are_told_and_taken_back() -> None:
    """A limit leaves the position as it is; Withdraw takes it back by its id."""
    script: dict[str, list[Wish]] = {
        "11": [Intent("enter_long", limit=Decimal(9))],
        "12": [Withdraw()],
        "13": [Withdraw()],
    }
    floor = Floor(script)
    floor.row(1)
    (resting,) = floor.row(2)
    (cancel,) = floor.row(3)

    assert ("limit", Decimal(9)) == (resting.kind, resting.limit)
    assert (resting.client_order_id, 3) == (cancel.target, cancel.row)
    assert [] == floor.row(4)
    assert [0, 1, 0] == [orders for _, _, orders in floor.strategy.seen]
    assert ["flat", "flat", "flat"] == [direction for direction, _ in floor.positions]


def test_in_a_dry_run_positions_are_those_that_orders_would_lead_to() -> None:
    """The broker has none to tell."""
    floor = Floor({"11": [Intent("enter_long", stop=STOP)]}, mode="dry-run")
    sent = [floor.row(row) for row in (1, 2, 3)]

    assert [[], [], []] == sent
    assert [("flat", None), ("long", None)] == floor.positions
    assert 0 == floor.core.counters()["orders"]


@pytest.mark.parametrize(
    "wish", [Intent("enter_long", stop=STOP), Intent("enter_long", limit=Decimal(9)), Withdraw()]
)
def test_without_the_broker_what_ends_by_itself_is_refused(wish: Wish) -> None:
    """A position could close unseen, and the strategy would never enter again."""
    strategy = Noting({"11": [wish]})
    core = made(strategy)
    core.receive("feed", candles([10, 11]))
    taken = Taken()
    while (step := core.step()) is not None:
        taken.add(step)
    (line,) = taken.named("strategy failed")

    assert "need the broker in inputs" in line.facts["error"]


def test_others_fills_are_not_ours() -> None:
    """An account may be shared."""
    floor = Floor({})
    floor.row(1, filled("x", "buy", "5", "10", strategy="another"))
    floor.row(2)

    assert [("flat", "0")] == floor.positions


FILLS = st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.integers(1, 100)), max_size=20)


@given(FILLS)
def test_average_is_that_of_the_entries(fills: list[tuple[int, int]]) -> None:
    """Against lots kept one by one: weighted by what entered, unchanged by what left, new after a turn."""
    held, quantity, entered = Held(), 0, Decimal(0)
    for signed, price in fills:
        held.take(Decimal(signed), Decimal(price))
        after = quantity + signed
        if quantity == 0 or quantity * after < 0:
            entered = Decimal(price)
        elif abs(after) > abs(quantity):
            entered = (entered * abs(quantity) + price * abs(signed)) / abs(after)
        quantity = after
        assert quantity == held.quantity
        assert quantity == 0 or abs(entered - held.average) < Decimal("1e-15")


def test_a_book_forgets_orders_that_have_ended() -> None:
    """So that it does not grow."""
    book = Book()
    order = Order(
        client_order_id="a",
        strategy="s",
        symbol="X",
        row=1,
        leg=1,
        decided_ms=0,
        side="buy",
        size=WholePosition(),
    )
    book.sent(order)
    book.heard(changed(order, "accepted"))
    assert ["a"] == list(book.asked)
    book.heard(changed(order, "cancelled"))
    assert [] == list(book.asked)


@pytest.mark.req("S12")
def test_a_new_strategy_hears_only_of_its_own_orders_where_the_broker_has_forgotten_some() -> None:
    """What comes first there is the end of an earlier one of its name, whose beginning nobody has."""
    floor = Floor({"11": [Intent("enter_long")]})
    floor._seq = 280
    assert [] == floor.row(1, filled("of one before", "sell", "2", "10"))
    (entry,) = floor.row(2)
    floor.row(3, filled(entry.client_order_id, "buy", "3", "12"), changed(entry, "filled"))

    assert [("flat", "0"), ("long", "3")] == floor.positions
    again = made(Noting({}), inputs=("feed", "broker"), stored=floor.taken.state)
    assert again.counters()["orders"] == 1


@pytest.mark.req("S12")
@pytest.mark.parametrize("oldest", [1, 281])
def test_one_that_has_traded_begins_to_listen_only_where_all_its_fills_are_kept(oldest: int) -> None:
    """Else nobody could tell it what it holds: a person must look, who is told what to do."""
    script: dict[str, list[Wish]] = {"11": [Intent("enter_long")]}
    core = made(Noting(script), inputs=("feed",))
    core.introduce("feed", role())
    deaf = drive(core, candles([10, 11, 12])[:3])
    floor = Floor({}, stored=deaf.state)
    floor._seq = oldest - 1
    if oldest == 1:
        floor.row(4, filled("x", "buy", "3", "12"))
        assert ("long", "3") == floor.positions[-1]
        return
    with pytest.raises(AccountForgotten, match=r"its oldest record is 281.*leave 'broker' out of its inputs"):
        floor.row(4, filled("x", "buy", "3", "12"))
