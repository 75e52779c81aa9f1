"""How far a strategy that listens may go."""

from __future__ import annotations

import pytest

from protocol.messages.trading import Through
from workers.strategy.horizon import Horizon


def ahead(horizon: Horizon) -> int | None:
    """The first row that is not allowed; None when there is none in sight."""
    return next((row for row in range(1, 1000) if not horizon.allows(row)), None)


@pytest.mark.req("X2")
def test_row_by_row_while_something_may_happen() -> None:
    """Only the row whose fills were heard."""
    horizon = Horizon(0, 0)
    horizon.heard(Through(3))

    assert 4 == ahead(horizon)


@pytest.mark.req("X2")
def test_a_still_account_lets_it_run_until_it_orders() -> None:
    """What becomes of the order is heard first; stillness told before it says nothing of it."""
    horizon = Horizon(0, 0)
    horizon.heard(Through(3, still=True))
    assert ahead(horizon) is None

    horizon.asked(7)
    assert 4 == ahead(horizon)
    horizon.heard(Through(7, still=True))  # on its way before the order arrived
    assert 8 == ahead(horizon)
    horizon.heard(Through(8, still=True))
    assert ahead(horizon) is None


@pytest.mark.req("X2")
def test_what_begins_to_work_ends_it() -> None:
    """The last word of the broker counts."""
    horizon = Horizon(0, 0)
    horizon.heard(Through(3, still=True))
    horizon.heard(Through(4))

    assert 5 == ahead(horizon)


@pytest.mark.req("X2")
def test_a_new_life_trusts_no_stillness_of_the_one_before() -> None:
    """It may have ordered on its last row; what it had heard of fills stands."""
    horizon = Horizon(through=5, done_row=9)
    assert 6 == ahead(horizon)

    horizon.heard(Through(9, still=True))
    assert 10 == ahead(horizon)
    horizon.heard(Through(10, still=True))
    assert ahead(horizon) is None
