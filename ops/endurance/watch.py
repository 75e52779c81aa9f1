"""Looks at the tree of a soak again and again: ends, hangs, and what the feeds hold."""

from __future__ import annotations

from typing import Any, Final

import psutil

from ops.endurance.broken import Broken

LONGEST_HANG_S: Final = 30.0
MOST: Final = {"descriptors": 48, "sessions": 1, "tasks": 12, "memory_mib": 42}
"""What a feed may hold at any time, however many connections it has had.

Over TLS it streams in 38 MiB; code that only faults run takes one or two more, once.
"""
SHOWN: Final = (
    "candles", "ticks", "rejected", "gaps", "backfilled", "revisions", "reconnects", "skew_ms",
)  # fmt: skip


class Watched:
    """What was seen of one feed since the start."""

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.longest_wait_s = 0.0
        self.recovered = False
        self._ticks, self._waits_since = -1, now
        self._seen: dict[str, Any] = {}
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._most = dict.fromkeys(MOST, 0)

    def trouble(self, now: float) -> None:
        """Learn that the exchange is not well: who hears nothing is not to blame."""
        self.recovered, self._ticks, self._waits_since = False, -1, now

    def look(self, child: dict[str, Any], now: float) -> None:
        """Judge what ``supervisor status`` says of it: nothing, of one that is not there. Raises Broken."""
        counters = child.get("counters") or {}
        ticks = counters.get("ticks", self._ticks)
        if ticks != self._ticks:
            self.recovered = self._ticks >= 0
            self._ticks, self._waits_since = ticks, now
        self.longest_wait_s = max(self.longest_wait_s, now - self._waits_since)
        if self.longest_wait_s > LONGEST_HANG_S:
            raise Broken(
                f"{self.name}: no tick for {LONGEST_HANG_S:g} s though the exchange is well: {child}"
            )
        self._hold(child, counters)

    def report(self) -> dict[str, Any]:
        """Return its counters, and what it held at first, at most and at last."""
        held = {name: [self._first.get(name), self._most[name], self._last.get(name)] for name in MOST}
        return {**self._seen, "longest_wait_s": round(self.longest_wait_s, 1), "first_most_last": held}

    def _hold(self, child: dict[str, Any], counters: dict[str, Any]) -> None:
        held = _holdings(child.get("pid"), counters)
        if held is None:
            return
        self._first, self._last = self._first or held, held
        for name, most in MOST.items():
            self._most[name] = max(self._most[name], held[name])
            if held[name] > most:
                raise Broken(f"{self.name} holds {held[name]} {name}, at most {most} are in order")
        self._seen = {**{name: counters.get(name) for name in SHOWN}, "restarts": child["restarts"]}


class Watch:
    """What was seen of the tree; ``balances`` counts how often the books were found in order."""

    def __init__(self, feeds: tuple[str, ...], now: float) -> None:
        self.balances = 0
        self.orders = 0
        self.feeds = {name: Watched(name, now) for name in feeds}
        self._was_well = True

    @property
    def recovered(self) -> bool:
        """Whether all feeds have had a price since the last trouble."""
        return all(feed.recovered for feed in self.feeds.values())

    def look(self, children: dict[str, Any], now: float, *, well: bool) -> None:
        """Judge what ``supervisor status`` says; ``well``: the exchange is in good health. Raises Broken."""
        for name, child in children.items():
            _judge(name, child)
        # What came before the first look at a well exchange may be of its last bad second.
        calm, self._was_well = well and self._was_well, well
        for name, feed in self.feeds.items():
            if not calm:
                feed.trouble(now)
            # Who does not show is judged as who shows nothing new.
            feed.look(children.get(name, {}), now)
        broker = children.get("broker", {})
        self.orders = (broker.get("counters") or {}).get("orders", self.orders)


def _judge(name: str, child: dict[str, Any]) -> None:
    last = child.get("last_exit") or {}
    if last.get("reason") not in (None, "stale", "normal") or child["state"] in ("parked", "held"):
        raise Broken(f"{name}: state {child['state']}, last exit {last}, error {child.get('last_error')}")


def _holdings(pid: int | None, counters: dict[str, Any]) -> dict[str, int] | None:
    if pid is None or "tasks" not in counters:
        return None
    try:
        process = psutil.Process(pid)
        held = {"descriptors": process.num_fds(), "memory_mib": process.memory_info().rss >> 20}
    except psutil.NoSuchProcess:
        return None
    return {**held, "sessions": counters["sessions"], "tasks": counters["tasks"]}
