"""The soak: a tree on a market whose exchange misbehaves at random."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ops.endurance.market import FAULTS, plan

SOAK = Path(__file__).parents[1] / "ops" / "soak"


@pytest.mark.slow
@pytest.mark.req("F10")
@pytest.mark.req("X1")
def test_half_a_minute_of_faults_breaks_nothing() -> None:
    """No crash, no hang, no leaked descriptor, books that can be read; 10 minutes of it: ops/soak."""
    done = subprocess.run(
        [str(SOAK), "--minutes", "0.7", "--seed", "3"],
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["faults"] > 0
    assert report["candles"] > 0


def test_the_plan_of_faults_is_the_seed_s_and_ends_in_health() -> None:
    """The same seed, the same faults; between two of them the exchange is well."""
    made = plan(7, 600)

    assert made == plan(7, 600)
    assert "nothing" == made[-1][1]
    assert {name for _, name in made} <= set(FAULTS)
    assert ["nothing"] * (len(made) // 2) == [name for _, name in made[1::2]]
