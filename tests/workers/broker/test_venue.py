"""The port to the place of execution: what every venue keeps, shown on paper and on an exchange outside."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from msgspec.structs import replace

import workers.broker
from protocol.messages.instruction import Instructed, KillSwitch
from protocol.messages.trading import AtPrice, Bracket, Cancel, Order, Quantity
from tests.workers.broker.bench import D
from tests.workers.broker.outside import Outside
from tests.workers.broker.pit import T0, Live
from workers.broker.instructions import Told

TWO = Quantity(D(2))
BOTH = Bracket(stop=AtPrice(D(90)), target=AtPrice(D(110)))
STEP_MS = 1000
"""Longer than any latency."""


class Place(Protocol):
    """A venue under test, with a broker before it."""

    live: Live

    def price(self, bid: str, *, now: int) -> Any:
        """Let the market move, and all that follows from it."""
        ...

    def pump(self) -> Any:
        """Let everything arrive."""
        ...

    def deals(self, most: str) -> None:
        """Let one price fill no more than this."""
        ...

    def revive(self) -> Any:
        """Kill the broker and start it again."""
        ...


class OnPaper:
    """The paper venue."""

    def __init__(self) -> None:
        self.live, self._size = Live(contract="spot"), "1000"

    def price(self, bid: str, *, now: int) -> None:
        """A quote."""
        self.live.quote(bid, str(D(bid) + D("0.1")), self._size, now=now)

    def pump(self) -> None:
        """Nothing is ever on its way."""
        self.live.at(self.live.now)

    def deals(self, most: str) -> None:
        """The size of the quotes."""
        self._size = most

    def revive(self) -> None:
        """Another life."""
        self.live.revive()


class OnAccount(Outside):
    """An exchange outside."""

    def deals(self, most: str) -> None:
        """The exchange has no more."""
        self.exchange.deals = D(most)

    def revive(self) -> OnAccount:
        """Another life, with reconciliation at its start."""
        super().revive()
        self.reconcile()
        return self


@pytest.fixture(params=[OnPaper, OnAccount])
def place(request: pytest.FixtureRequest) -> Place:
    """Give each venue, its market at 100."""
    make: Callable[[], Place] = request.param
    made = make()
    made.price("100", now=0)
    return made


def order(place: Place, name: str, side: Any = "buy", **how: Any) -> Order:
    """Send an order and let it arrive."""
    wish = place.live.order(side, how.pop("size", TWO), name=name, **how)
    place.pump()
    return wish


def cancel(place: Place, target: str, name: str = "c", **how: Any) -> None:
    """Ask for the end of an order."""
    wish = Cancel(client_order_id=name, strategy="s", row=0, leg=0, target=target, decided_ms=0, **how)
    place.live.send(wish)
    place.pump()


def held(place: Place) -> Any:
    """What is held, on the disk."""
    found = place.live.bench.rows("SELECT quantity FROM positions")
    return D(str(found[0][0])) if found else D(0)


@pytest.mark.req("B8")
def test_an_order_is_accepted_and_filled_once_under_its_id(place: Place) -> None:
    """However often it is sent; the ledger says what was paid."""
    wish = order(place, "in")
    assert place.live.statuses() == {"in": "accepted"}
    place.live.send(wish)
    place.price("100", now=STEP_MS)
    place.live.send(wish)
    place.price("100", now=2 * STEP_MS)

    assert [(name, amount) for name, _, amount in place.live.filled] == [("in", D(2))]
    assert (held(place), place.live.statuses()) == (D(2), {"in": "filled"})
    (fill,) = place.live.bench.fills
    (balance,) = place.live.bench.rows("SELECT amount FROM ledger WHERE kind = 'trade'")
    assert D(str(balance[0])) == -fill.quantity * fill.price


@pytest.mark.req("B8")
def test_what_the_venue_refuses_is_rejected_and_not_denied(place: Place) -> None:
    """With the venue's code; nothing is reserved for it any more."""
    order(place, "in", kind="limit", limit=D(105), post_only=True)
    place.price("100", now=STEP_MS)

    assert place.live.statuses() == {"in": "rejected"}
    assert place.live.bench.rows("SELECT code FROM orders") == [("would_cross",)]
    assert place.live.core._market.office.desk.funds().reserved == 0


@pytest.mark.req("B8")
def test_an_order_that_rests_is_cancelled_and_fills_no_more(place: Place) -> None:
    """A second cancel is harmless."""
    order(place, "in", kind="limit", limit=D(90))
    place.price("100", now=STEP_MS)
    cancel(place, "in")
    cancel(place, "in", "again")
    place.price("100", now=2 * STEP_MS)
    place.price("80", now=3 * STEP_MS)

    assert place.live.statuses() == {"in": "cancelled"}
    assert place.live.filled == []


@pytest.mark.req("B8")
def test_a_replacement_takes_the_place_of_what_was_cancelled(place: Place) -> None:
    """Never both."""
    order(place, "in", kind="limit", limit=D(90))
    place.price("100", now=STEP_MS)
    low = order(place, "low", kind="limit", limit=D(1))
    new = replace(low, client_order_id="new", size=Quantity(D(1)), limit=D(95))
    cancel(place, "in", replacement=new)
    place.price("100", now=2 * STEP_MS)
    place.price("100", now=3 * STEP_MS)
    place.price("94", now=4 * STEP_MS)

    assert place.live.filled == [("new", D(95), D(1))]
    assert place.live.statuses() == {"in": "cancelled", "low": "accepted", "new": "filled"}


@pytest.mark.req("B8")
def test_an_entry_is_protected_as_it_fills_and_one_protector_ends_the_other(place: Place) -> None:
    """In parts: protectors grow with the entry, the target's fill shrinks the stop, the rest is stopped."""
    place.deals("1")
    order(place, "in", kind="limit", limit=D("100.1"), bracket=BOTH)
    place.price("100", now=STEP_MS)
    sizes = "SELECT client_order_id, quantity FROM orders WHERE parent = 'in' ORDER BY 1"
    assert place.live.bench.rows(sizes) == [("in/stop", "1"), ("in/target", "1")]

    place.price("100", now=2 * STEP_MS)
    assert place.live.bench.rows(sizes) == [("in/stop", "2"), ("in/target", "2")]

    place.price("110", now=3 * STEP_MS)
    assert place.live.bench.rows(sizes)[0] == ("in/stop", "1")
    place.price("89", now=4 * STEP_MS)
    place.price("89", now=5 * STEP_MS)
    assert place.live.statuses() == {"in": "filled", "in/stop": "filled", "in/target": "cancelled"}
    assert held(place) == 0


@pytest.mark.req("B8")
def test_the_kill_switch_cancels_and_closes(place: Place) -> None:
    """Whatever the venue is."""
    order(place, "in")
    place.price("100", now=STEP_MS)
    order(place, "rests", kind="limit", limit=D(50))
    given = Instructed(id="1", by="cli", at_ms=T0, instruction=KillSwitch(on=True))
    place.live.core.instruct("j", [Told(1, given)])
    place.pump()
    place.price("100", now=2 * STEP_MS)

    assert held(place) == 0
    assert place.live.statuses()["rests"] == "cancelled"
    assert place.live.core.condition().reasons == ("account halted: kill_switch",)


@pytest.mark.req("B8")
def test_a_kill_of_the_broker_changes_nothing(place: Place) -> None:
    """After each step another life: the same orders, the same fills."""
    order(place, "in", bracket=Bracket(stop=AtPrice(D(90))))
    place.revive()
    place.price("100", now=STEP_MS)
    place.revive()
    order(place, "rests", kind="limit", limit=D(50))
    place.revive()
    place.price("89", now=2 * STEP_MS)
    place.revive()

    assert [name for name, _, _ in place.live.filled] == ["in", "in/stop"]
    assert place.live.statuses() == {"in": "filled", "in/stop": "filled", "rests": "accepted"}
    assert place.live.core.condition().reasons == ()


@pytest.mark.req("B8")
def test_nothing_but_the_paper_venue_knows_how_paper_fills() -> None:
    """The core, the desk, the clerk, the ledger, the risk and the guard import the port alone."""
    matching = {"floor", "pit", "matching_candle", "matching_tick", "latency"}
    allowed = matching | {"paper_venue"}
    room = Path(workers.broker.__file__).parent
    found = {
        (path.stem, node.module)
        for path in room.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.removeprefix("workers.broker.") in matching
    }

    assert {who for who, _ in found} <= allowed
    chosen = {"app", "rules"}
    users = {p.stem for p in room.glob("*.py") if "workers.broker.paper_venue" in p.read_text()}
    assert users == chosen
