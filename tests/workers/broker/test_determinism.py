"""The ledger depends on the data alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.broker.bench import Bench
from tests.workers.broker.draws import world
from workers.broker.breakers import Limits


@pytest.mark.req("X2")
@pytest.mark.req("B5")
@settings(max_examples=40)
@given(st.data())
def test_batches_and_restarts_change_nothing(data: st.DataObject) -> None:
    """However the streams are cut and wherever the broker is killed: the same ledger to the last digit."""
    made = world(data.draw(st.integers(0, 2**48)))
    limits = data.draw(st.sampled_from([Limits(), Limits(losses=1, daily_loss=None, cooldown_ms=90_000)]))
    listens = data.draw(st.booleans())
    whole = Bench(made.market, made.said, made.contract, limits=limits).run()
    bench = Bench(made.market, made.said, made.contract, limits=limits, listens=listens)
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
