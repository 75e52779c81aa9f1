"""Looks at the tree of a soak again and again: ends, hangs, and what the feed holds."""

from __future__ import annotations

import time
from typing import Any, Final

import psutil

from ops.endurance.broken import Broken

LONGEST_HANG_S: Final = 30.0
MOST: Final = {"descriptors": 48, "sessions": 1, "tasks": 12}
"""What the feed may hold at any time, however many connections it has had."""
SHOWN: Final = ("candles", "ticks", "rejected", "gaps", "reconnects", "revisions", "skew_ms")


class Watch:
    """What was seen since the start; ``balances`` counts how often the books were found in order."""

    def __init__(self, now: float) -> None:
        self.balances = 0
        self._lively, self._ticks = now, -1
        self._seen: dict[str, Any] = {}
        self._first: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._most = dict.fromkeys(MOST, 0)

    def look(self, children: dict[str, Any], *, well: bool) -> None:
        """Judge what ``supervisor status`` says; ``well``: the exchange is in good health. Raises Broken."""
        for name, child in children.items():
            _judge(name, child)
        if children:
            self._note(children)
        ticks = self._seen.get("ticks", 0)
        if not well or ticks != self._ticks:
            self._lively, self._ticks = time.monotonic(), ticks
        if time.monotonic() - self._lively > LONGEST_HANG_S:
            raise Broken(f"no tick for {LONGEST_HANG_S:g} s though the exchange is well: {children}")

    def report(self) -> dict[str, Any]:
        """Return figures: of the feed at first, at most and at last what it held."""
        held = {name: [self._first.get(name), self._most[name], self._held.get(name)] for name in MOST}
        return {**self._seen, "balances": self.balances, "first_most_last": held}

    def _note(self, children: dict[str, Any]) -> None:
        feed, broker = children["feed"], children["broker"]["counters"]
        held = _holdings(feed)
        if held is None:
            return
        self._first, self._held = self._first or held, held
        for name, most in MOST.items():
            self._most[name] = max(self._most[name], held[name])
            if held[name] > most:
                raise Broken(f"the feed holds {held[name]} {name}, at most {most} are in order")
        found = {name: feed["counters"].get(name) for name in SHOWN}
        self._seen = {**found, "restarts": feed["restarts"], "orders": broker.get("orders")}


def _judge(name: str, child: dict[str, Any]) -> None:
    last = child.get("last_exit") or {}
    if last.get("reason") not in (None, "stale", "normal") or child["state"] in ("parked", "held"):
        raise Broken(f"{name}: state {child['state']}, last exit {last}, error {child.get('last_error')}")


def _holdings(feed: dict[str, Any]) -> dict[str, int] | None:
    if feed["pid"] is None or "tasks" not in feed["counters"]:
        return None
    try:
        descriptors = psutil.Process(feed["pid"]).num_fds()
    except psutil.NoSuchProcess:
        return None
    counters = feed["counters"]
    return {"descriptors": descriptors, "sessions": counters["sessions"], "tasks": counters["tasks"]}
