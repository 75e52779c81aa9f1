"""The table of order states."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.workers.broker.bench import D, order
from workers.broker.orders import FINAL_STATES, NEXT, Happened, IllegalTransition, OrderState, WorkingOrder

PAIRS = [(state, happened) for state in OrderState for happened in Happened]


@pytest.mark.parametrize(("state", "happened"), PAIRS, ids=lambda value: value.name)
def test_each_pair_moves_as_the_table_says_or_raises_and_changes_nothing(
    state: OrderState, happened: Happened
) -> None:
    """A legal pair leads to its state; an illegal one raises and leaves the order as it was."""
    before = replace(WorkingOrder.of(order(1)), state=state)
    if (state, happened) in NEXT:
        assert before.after(happened).state is NEXT[state, happened]
        return
    with pytest.raises(IllegalTransition) as caught:
        before.after(happened)

    assert (caught.value.state, caught.value.happened) == (state, happened)
    assert before == replace(WorkingOrder.of(order(1)), state=state)


def test_nothing_leaves_a_final_state() -> None:
    """Denied, rejected, filled, cancelled and expired are the end."""
    assert not [pair for pair in NEXT if pair[0] in FINAL_STATES]


def test_every_other_state_leads_to_an_end() -> None:
    """No state is a trap."""
    reaches = set(FINAL_STATES)
    while more := {a for (a, _), b in NEXT.items() if b in reaches} - reaches:
        reaches |= more

    assert reaches == set(OrderState)


def test_fills_add_up_until_the_order_is_filled() -> None:
    """A part leaves it partially filled, the rest fills it."""
    taken = WorkingOrder.of(order(1), D(3), D(100)).after(Happened.SUBMITTED).after(Happened.ACCEPTED)
    part = taken.after_fill(D(1))
    whole = part.after_fill(D(2))

    assert (part.state, part.signed, part.fills) == (OrderState.PARTIALLY_FILLED, D(2), 1)
    assert (whole.state, whole.signed, whole.fills) == (OrderState.FILLED, D(0), 2)
