"""An account outside: what it answers in whatever order, and what it says of itself at each start."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocol.messages.instruction import Instructed, Resume
from protocol.messages.trading import AtPrice, Bracket, Cancel, Quantity, TradingChanged
from tests.workers.broker.bench import BTC, CASH, D, order
from tests.workers.broker.outside import FEE, Outside
from tests.workers.broker.pit import T0
from workers.broker.errors import LedgerBroken
from workers.broker.instructions import Told
from workers.broker.ledger import Books
from workers.broker.orders import Happened, WorkingOrder
from workers.broker.reconciliation import (
    CashDiffers,
    Difference,
    FilledOtherwise,
    Foreign,
    Gone,
    PositionDiffers,
    differences,
)
from workers.broker.state import SCHEMA, BrokerState
from workers.broker.venue import Accepted, Answer, Ended, Executed, Funded, Rejected, Standing

STOP = Bracket(stop=AtPrice(D(90)))


def account() -> Outside:
    """Give a broker with an account outside, its market at 100."""
    return Outside().price("100", now=0)


def lines(place: Outside, message: str) -> list[Any]:
    """The facts of the lines logged under a name."""
    steps = place.live.bench.steps
    return [line.facts for step in steps for line in step.logs if line.message == message]


def place_order(place: Outside, name: str, side: Any = "buy", quantity: int = 2, **how: Any) -> None:
    """Send an order and let it arrive."""
    place.live.order(side, Quantity(D(quantity)), name=name, **how)
    place.pump()


# --- the decision -----------------------------------------------------------------------------------


def books(*, held: int = 0, working: tuple[WorkingOrder, ...] = ()) -> BrokerState:
    """Give a state that holds so much, bought at 100 for nothing."""
    kept = Books.opened(CASH)
    if held:
        kept = kept.traded(BTC, "linear", D(held), D(100), D(0)).books
    return BrokerState(books=kept, schema=SCHEMA, working={o.client_order_id: o for o in working})


def working(name: str, filled: int = 0) -> WorkingOrder:
    """Give an order for 3 at work."""
    made = WorkingOrder(
        client_order_id=name, strategy="s", symbol=BTC, side="buy", quantity=D(3), estimate=D(100)
    )
    accepted = made.after(Happened.SUBMITTED).after(Happened.ACCEPTED)
    return accepted.after_fill(D(filled), D(100)) if filled else accepted


@pytest.mark.req("B8")
@pytest.mark.parametrize(
    ("standing", "found"),
    [
        (Standing(orders={"a": D(1)}, positions={BTC: D(1)}, cash=CASH), []),
        (Standing(orders={"a": D(1)}, positions={BTC: D(1)}), []),
        (Standing(positions={BTC: D(1)}), [Gone(working("a", 1))]),
        (
            Standing(orders={"a": D(2), "z": D(0), "b": D(0)}, positions={BTC: D(1)}),
            [FilledOtherwise(client_order_id="a", here=D(1), there=D(2)), Foreign("b"), Foreign("z")],
        ),
        (
            Standing(orders={"a": D(1)}, positions={"ETH/USDT": D(-4)}, cash=D(9999)),
            [
                PositionDiffers(symbol=BTC, here=D(1), there=D(0)),
                PositionDiffers(symbol="ETH/USDT", here=D(0), there=D(-4)),
                CashDiffers(here=CASH, there=D(9999)),
            ],
        ),
    ],
)
def test_each_difference_is_found_and_typed(standing: Standing, found: list[Difference]) -> None:
    """A decision over two values: nothing is changed, nothing is asked."""
    state = books(held=1, working=(working("a", 1),))
    before = state.encode()

    assert list(differences(state, standing)) == found
    assert state.encode() == before
    assert all(str(difference) for difference in found)


# --- at a start -------------------------------------------------------------------------------------


@pytest.mark.req("B8")
def test_no_entry_is_taken_before_the_account_was_compared() -> None:
    """Exits are; afterwards all goes on by itself."""
    place = account()
    place_order(place, "in")
    place.price("100", now=1000).revive().pump()
    assert place.live.core.unreconciled
    place_order(place, "more")
    place_order(place, "out", "sell", 1, reduce_only=True)
    assert place.live.statuses() == {"in": "filled", "more": "denied", "out": "accepted"}
    assert place.live.core.condition().reasons == ("account reducing: venue",)

    place.reconcile()
    assert not place.live.core.unreconciled
    place_order(place, "again")
    assert place.live.statuses()["again"] == "accepted"


@pytest.mark.req("B8")
def test_what_was_filled_while_the_broker_was_down_is_booked_at_the_start() -> None:
    """By its execution, with its price and fee, once, and what it entails is placed."""
    place = account()
    place_order(place, "in", bracket=STOP)
    place.exchange.price(D(101), D("101.1"), T0 + 1000)
    place.revive().reconcile().reconcile()

    (fill,) = place.live.bench.fills
    assert (fill.price, fill.fee) == (D("101.1"), FEE)
    assert place.live.statuses() == {"in": "filled", "in/stop": "accepted"}
    assert place.live.core.condition().reasons == ()
    assert place.live.core._state.books.cash == place.exchange.cash


@pytest.mark.req("B8")
def test_an_order_that_never_left_is_cancelled_if_an_entry_and_sent_again_if_an_exit() -> None:
    """A kill between the commit and the wire: an entry saw another market, what protects is still wanted."""
    place = account()
    place_order(place, "in")
    place.price("100", now=1000)
    place.live.order("buy", Quantity(D(1)), name="entry")
    place.live.order("sell", Quantity(D(1)), name="exit", reduce_only=True)
    assert place.live.statuses() == {"in": "filled", "entry": "submitted", "exit": "submitted"}
    place.revive().reconcile()

    assert place.live.statuses() == {"in": "filled", "entry": "cancelled", "exit": "accepted"}
    assert place.live.bench.rows("SELECT code FROM orders WHERE client_order_id = 'entry'") == [
        ("never_arrived",)
    ]


@pytest.mark.req("B8")
def test_an_order_that_ended_there_ends_here() -> None:
    """Somebody cancelled it at the exchange while the broker was down."""
    place = account()
    place_order(place, "rests", kind="limit", limit=D(50))
    place.exchange.cancel("rests")
    place.revive().reconcile()

    assert place.live.bench.rows("SELECT status, code FROM orders") == [("cancelled", "gone_at_venue")]
    assert [facts["found"] for facts in lines(place, "difference")] == [
        "order rests (accepted) is not open at the venue"
    ]
    assert place.live.core.condition().reasons == ()


def somebody_bought(place: Outside) -> None:
    """Another program trades on the account."""
    place.exchange.held, place.exchange.cash = D(5), D(9500)


def somebody_ordered(place: Outside) -> None:
    """Another program has an order there."""
    place.exchange.submit(working("theirs"))
    place.exchange.answers.clear()


@pytest.mark.req("B8")
@pytest.mark.parametrize(
    ("who", "said"),
    [
        (somebody_bought, [f"position {BTC}: 0 on the books, 5 at the venue", "cash: 10000 on the books"]),
        (somebody_ordered, ["order theirs is open at the venue and unknown here"]),
    ],
)
def test_an_account_that_differs_halts_until_an_operator_has_looked(
    who: Callable[[Outside], None], said: list[str]
) -> None:
    """Critical, told in words, kept over a restart; nothing is bought or cancelled to make it fit."""
    place = account()
    who(place)
    before = dict(place.exchange.open)
    place.revive().reconcile()
    told = [o for o in place.live.bench.outputs if isinstance(o, TradingChanged)]
    (halt,) = [change for change in told if change.trigger == "reconciliation"]
    assert (halt.state, halt.critical) == ("halted", True)
    assert all(sentence in str(halt.detail) for sentence in said)
    place_order(place, "in")
    assert place.live.bench.denials == ["halted"]
    assert place.exchange.open == before

    place.revive().pump()
    assert place.live.core.condition().critical
    given = Instructed(id="1", by="cli", at_ms=T0, instruction=Resume())
    place.live.core.instruct("j", [Told(1, given)])
    place.pump()
    assert place.live.core.condition().reasons == ("account reducing: venue",)


# --- answers ----------------------------------------------------------------------------------------


def executed(name: str, quantity: int, filled: int) -> Executed:
    """Give an execution at 100."""
    return Executed(
        client_order_id=name, quantity=D(quantity), price=D(100), filled=D(filled), at_ms=T0, fee=D(0)
    )


@pytest.mark.req("B8")
def test_an_order_whose_time_is_over_there_expires_here() -> None:
    """It is not on record as cancelled: nobody has asked for that."""
    place = account()
    place_order(place, "rests", kind="limit", limit=D(90))
    place.live.core.answer([Ended("rests", how="expired")])
    place.pump()

    assert place.live.statuses() == {"rests": "expired"}


@pytest.mark.req("B8")
@pytest.mark.parametrize(
    "answer",
    [
        Accepted("in"),
        Accepted("nobody"),
        Rejected("nobody", "code"),
        Ended("nobody"),
        executed("in", 1, 1),
        executed("nobody", 1, 1),
    ],
)
def test_an_answer_that_cannot_be_changes_nothing_and_is_told(answer: Answer) -> None:
    """Repeated, or of an order that is not ours, or is over."""
    place = account()
    place.exchange.deals = D(1)
    place_order(place, "in")
    place.price("100", now=1000)
    before = place.live.core._state.books, place.live.core._state.working
    place.live.core.answer([answer])
    place.pump()

    assert (place.live.core._state.books, place.live.core._state.working) == before
    assert len(lines(place, "odd answer")) == 1
    assert (place.live.core.condition().errors, place.live.core.condition().reasons) == (0, ())


@pytest.mark.req("B8")
@pytest.mark.parametrize("last", ["fill", "end"])
def test_a_missed_execution_refuses_entries_until_the_next_standing_brings_it(last: str) -> None:
    """Its price is not guessed; the order does not end before it is on the books."""
    place = account()
    place.exchange.deals = D(1)
    place_order(place, "in")
    place.wire = lambda _answers: []
    place.price("100", now=1000)
    place.wire = lambda answers: answers
    if last == "fill":
        place.price("100", now=2000)
    else:
        place.exchange.cancel("in")
        place.pump()
    assert place.live.core.unreconciled
    assert place.live.filled == []

    place.reconcile()
    assert sum(quantity for _, _, quantity in place.live.filled) == place.exchange.held
    assert place.live.statuses() == {"in": "filled" if last == "fill" else "cancelled"}
    assert place.live.core.condition().reasons == ()


@pytest.mark.req("B8")
def test_a_cancel_that_the_venue_refuses_leaves_the_order_at_work() -> None:
    """And what should have replaced it is forgotten, also when the order ends later."""
    place = account()
    place_order(place, "rests", kind="limit", limit=D(50))
    new = order(0, size=Quantity(D(1)), name="new", kind="limit", limit=D(60))
    wish = Cancel(
        client_order_id="c", strategy="s", row=0, leg=0, target="rests", decided_ms=T0, replacement=new
    )
    place.live.send(wish)
    assert place.live.statuses() == {"rests": "pending_cancel"}
    place.live.core.answer([Accepted("rests"), Ended("rests")])
    place.live.at(0)

    assert place.live.statuses() == {"rests": "cancelled"}


@pytest.mark.req("B4")
def test_books_that_do_not_balance_end_the_process_from_an_answer_too() -> None:
    """Nothing is booked on them any more."""
    place = account()
    place_order(place, "in")
    state = place.live.core._state
    state.books = replace(state.books, cash=state.books.cash + D("1e-12"))
    place.live.core.answer([executed("in", 1, 1)])

    with pytest.raises(LedgerBroken):
        place.live.at(0)


@pytest.mark.req("B8")
def test_funding_is_what_the_account_says() -> None:
    """Once for each time."""
    place = Outside()
    place.live.bench.contract = "linear"
    place.live.bench.instrument = None
    place.revive().price("100", now=0).reconcile()
    place_order(place, "in")
    told = Funded(BTC, T0 + 1, D("0.01"), D(2), D(99))
    place.live.core.answer([executed("in", 2, 2), told, told])
    place.live.at(0)

    assert place.live.bench.rows("SELECT amount FROM funding") == [("-1.98",)]


@pytest.mark.req("B8")
@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_whatever_the_wire_loses_repeats_and_mixes_up_the_books_become_the_accounts(seed: int) -> None:
    """With kills in between: compared with the account nothing differs, and nothing is booked twice."""
    chance = Random(seed)

    def wire(answers: list[Answer]) -> list[Answer]:
        kept = [answer for answer in answers if chance.random() < 0.7]
        kept += [answer for answer in answers if chance.random() < 0.2]
        if chance.random() < 0.5:
            chance.shuffle(kept)
        return kept

    place = Outside(wire).price("100", now=0)
    place.exchange.deals = D(1)
    for turn in range(1, 9):
        wanted: dict[str, Any] = chance.choice(
            [{"bracket": STOP}, {"kind": "limit", "limit": D(chance.randint(85, 110))}]
        )
        place.live.order("buy", Quantity(D(chance.randint(1, 3))), name=f"o{turn}", **wanted)
        place.price(str(chance.randint(85, 115)), now=turn * 1000)
        if chance.random() < 0.3:
            place.revive()
        if chance.random() < 0.5:
            place.reconcile()
            assert_same(place)
    place.reconcile()
    assert_same(place)


def assert_same(place: Outside) -> None:
    """The books are those of the account, execution by execution."""
    place.wire, wire = (lambda answers: answers), place.wire
    place.reconcile()
    place.wire = wire
    state = place.live.core._state
    assert (state.books.quantity(BTC), state.books.cash) == (place.exchange.held, place.exchange.cash)
    assert len(place.live.bench.fills) == len(place.exchange.executions)
    assert "reconciliation" not in str(place.live.core.condition().reasons)
