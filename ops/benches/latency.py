"""A tick into the feed to the fill committed and published by the broker.

Real processes under a real root: the tick goes to the feed, from there to the broker, whose fill is heard
here; the floor is the same number of hops over bare pyzmq, measured in the same run. Each tick triggers one
stop order that rests with the broker: stops that enter for ``process`` and ``power``, stops that protect for
``stop`` (power: the exit is on disk).

The last rows are the same entries beside a notifier, against the run without one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

from ops.benches.floors import bare_hops
from ops.benches.latency_notifier import beside_notifiers
from ops.benches.latency_scene import REST_S, scene
from ops.benches.row import Row, percentile

HOPS = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Take how many ticks are timed."""
    parser.add_argument("--samples", type=int, default=200, help="ticks of each kind")


def run(options: argparse.Namespace) -> Iterator[Row]:
    """Time entries by both durabilities, and exits on disk."""
    samples = options.samples
    with bare_hops(HOPS) as hops:
        floor = [_rested(hops.sample) for _ in range(samples)]
    for durability in ("process", "power"):
        with scene(durability) as made:
            entries = made.timed("buy", samples)
            yield from _rows(durability, entries, floor)
            exits = made.timed("sell", samples)
    yield Row("latency.stop.p50", 1e6 * percentile(exits, 50), "us", 1e6 * percentile(floor, 50), samples)
    yield Row("latency.stop.p99", 1e6 * percentile(exits, 99), "us", 1e6 * percentile(floor, 99), samples)
    yield from beside_notifiers(samples, floor)


def _rested(sample: Callable[[], float]) -> float:
    time.sleep(REST_S)
    return sample()


def _rows(name: str, times: list[float], floor: list[float]) -> Iterator[Row]:
    for percent in (50, 99):
        value, least = (1e6 * percentile(some, percent) for some in (times, floor))
        yield Row(f"latency.{name}.p{percent}", value, "us", least, len(times))
