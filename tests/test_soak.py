"""The soak: a tree on a market whose exchange misbehaves at random."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import fields
from itertools import islice
from pathlib import Path

import pytest

from ops.endurance.troubles import FAULTS, troubles
from tests.support.exchange.faults import Faults

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
