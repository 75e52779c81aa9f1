"""Strategies that listen: when the broker says how far it is, and whether they may run ahead."""

from __future__ import annotations

from typing import Literal

import pytest

from protocol.messages.market import Instrument
from protocol.messages.stream import OrdersRole
from protocol.messages.trading import Fill, OrderChanged, Quantity, StrategyRecord, Through
from tests.workers.broker.bench import Bench, D, order
from tests.workers.broker.test_core import THREE, through


def test_one_that_listens_hears_of_a_row_before_it_must_finish_it() -> None:
    """The step ends after the fills of a row, with the broker's own Through, before the strategy's."""
    bench = Bench(THREE, {"s": [order(1), through(1)]}, listens=True).run()
    assert [type(output) for output in bench.outputs] == [OrderChanged, Fill, OrderChanged, Through]
    assert bench.outputs[-1] == Through(2, still=True)
    assert bench.core.waiting_for == "s"


@pytest.mark.parametrize(
    ("size", "contract", "still"),
    [(None, "spot", True), ("market", "spot", True), ("limit", "spot", False), ("market", "linear", False)],
)
def test_an_account_is_still_while_no_order_works_and_nothing_can_be_liquidated(
    size: str | None, contract: Literal["spot", "linear"], still: bool
) -> None:
    """Only then may one that listens run ahead: nothing will be told that it has not asked for."""
    limit = order(1, limit=D(1), kind="limit", size=Quantity(D(1)))
    wish = {"market": order(1, "buy" if contract == "spot" else "sell"), "limit": limit}
    said: list[StrategyRecord] = [through(1)] if size is None else [wish[size], through(1)]
    bench = Bench(THREE, {"s": said}, listens=True, instrument=Instrument(contract=contract)).run()

    assert bench.outputs[-1] == Through(2, still=still)


@pytest.mark.req("X2", "S12")
@pytest.mark.parametrize("anew", [False, True])
def test_one_that_begins_to_listen_in_the_middle_is_told_the_row_that_was_handled(anew: bool) -> None:
    """A reload makes a strategy listen: row 3 was handled when nobody did, and it waits for that word."""
    bench = Bench(THREE, {"s": [through(2)]}).run()
    assert bench.outputs == []
    assert bench.core.waiting_for == "s"

    bench.listens = True
    if anew:
        bench.revive()
    else:
        bench.core.introduce("s", OrdersRole(strategy="s", listens=True))
    bench.run()
    assert bench.outputs == [Through(3, still=True)]
    assert not bench.turn()


def test_nothing_is_told_to_one_that_listens_before_the_first_row() -> None:
    """The word on row 1 follows when row 1 was handled."""
    bench = Bench([], {"s": []}, listens=True).run()
    assert bench.outputs == []
