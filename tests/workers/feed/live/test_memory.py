"""Memory that nobody needs any more does not stay with the feed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from workers.feed.live import memory

HOLES = """
import psutil
from workers.feed.live.memory import trim
resident = lambda: psutil.Process().memory_info().rss >> 20
kept = [bytearray(1000) for _ in range(40_000)]
last, before = bytearray(1000), resident()
kept.clear()
trim()
print(before - resident())
"""


@pytest.mark.skipif(memory._TRIM is None, reason="the C library keeps what is free")
def test_what_was_used_below_something_that_is_kept_goes_back_to_the_system() -> None:
    """Forty megabytes of small pieces; in a process of its own, whose heap is known."""
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)

    assert int(done.stdout) >= 30


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no such function nothing happens."""
    monkeypatch.setattr(memory, "_TRIM", None)
    memory.trim()
