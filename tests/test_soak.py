"""The soak: a tree on a market whose exchange misbehaves at random."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from ops.endurance.broken import Broken
from ops.endurance.troubles import FAULTS, troubles
from ops.endurance.watch import LONGEST_HANG_S, Watch
from tests.support.exchange.faults import Faults
from workers.feed.live.reconnect import Reconnect

SOAK = Path(__file__).parents[1] / "ops" / "soak"


@pytest.mark.slow
@pytest.mark.req("F10")
@pytest.mark.req("X1")
def test_a_minute_of_faults_breaks_nothing() -> None:
    """No crash, no hang, nothing leaked, books that balance; 10 minutes of it: ops/soak."""
    done = subprocess.run(
        [str(SOAK), "--minutes", "1", "--seed", "3"],
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["faults"] > 0
    assert report["candles"] > 0
    assert report["balances"] > 0


def test_the_troubles_are_the_seed_s_and_none_is_left_out() -> None:
    """The same seed, the same troubles; a round brings each fault once, together only what can be."""
    brought = list(islice(troubles(7), 40))
    names = [name for trouble in brought for name in trouble.names]

    assert brought == list(islice(troubles(7), 40))
    assert set(FAULTS) == set(names[: len(FAULTS)])
    assert any(len(trouble.names) == 2 for trouble in brought)
    assert all(trouble.faults.wrong for trouble in brought)


def test_everything_that_the_local_exchange_can_do_wrong_is_in_the_mix() -> None:
    """A new kind of fault that the soak does not know is seen here."""
    wrong = {name for faults in FAULTS.values() for name in faults.wrong}

    assert {field.name for field in fields(Faults)} == wrong
    assert {"after the acknowledgement", "half-open"} <= {faults.silence for faults in FAULTS.values()}
    assert {200, 418, 429, 500} == {faults.status for faults in FAULTS.values()}


@pytest.mark.req("F3")
@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_after_every_trouble_the_backoff_ends_before_a_wait_counts_as_a_hang(chance: float) -> None:
    """Waits of a minute between reconnects, which F3 wants after long troubles, never look like a hang."""
    brought = [trouble for seed in range(50) for trouble in islice(troubles(seed), 40)]

    waits = [
        _wait_after(trouble.until(0.0, utc_s), chance)
        for trouble in brought
        if trouble.faults.shut
        for utc_s in range(60)
    ]

    assert waits
    assert max(waits) < LONGEST_HANG_S - 5


def _wait_after(over: float, chance: float) -> float:
    """How long a feed still waits that was cut at 0 and could not connect until ``over``."""
    attempt, reconnect = 0.0, Reconnect()
    while attempt < over:
        reconnect.failed(attempt, chance)
        assert reconnect.at is not None
        attempt = reconnect.at
    return attempt - over


@pytest.mark.req("F4")
@pytest.mark.parametrize("connection", ["connected", "reconnecting"])
def test_half_a_minute_without_a_price_from_a_well_exchange_is_a_hang(connection: str) -> None:
    """Nothing that a feed says of itself excuses it: not that it is connected, nor that it reconnects."""
    watch = Watch(("feed",), now=0.0)
    watch.look(_seen(ticks=7, connection=connection), 1.0, well=True)

    watch.look(_seen(ticks=7, connection=connection), 1.0 + LONGEST_HANG_S, well=True)
    with pytest.raises(Broken, match="feed: no tick for 30 s though the exchange is well"):
        watch.look(_seen(ticks=7, connection=connection), 1.1 + LONGEST_HANG_S, well=True)


@pytest.mark.req("F4")
def test_a_feed_that_is_not_there_or_that_never_had_a_price_hangs_too() -> None:
    """What cannot be seen is judged like what stands still."""
    for found in ({}, {"broker": _child()}, {**_seen(ticks=0), "feed": {**_child(), "counters": None}}):
        watch = Watch(("feed",), now=0.0)
        with pytest.raises(Broken, match="feed: no tick"):
            for second in range(40):
                watch.look(found, float(second), well=True)


def test_a_trouble_is_no_hang_and_what_comes_after_it_is_judged_from_its_end_on() -> None:
    """While the exchange is not well, and in the second in which it recovers, nobody is to blame."""
    watch = Watch(("feed",), now=0.0)
    for second in range(100):
        watch.look(_seen(ticks=7), float(second), well=False)
    watch.look(_seen(ticks=7), 100.0, well=True)
    assert not watch.recovered

    watch.look(_seen(ticks=7), 100.0 + LONGEST_HANG_S, well=True)
    with pytest.raises(Broken, match="feed: no tick"):
        watch.look(_seen(ticks=7), 100.1 + LONGEST_HANG_S, well=True)


def _child(**counters: Any) -> dict[str, Any]:
    return {"pid": None, "state": "running", "counters": counters, "restarts": 0}


def _seen(*, ticks: int, connection: str = "connected") -> dict[str, Any]:
    return {"broker": _child(orders=1), "feed": _child(ticks=ticks, connection=connection)}
