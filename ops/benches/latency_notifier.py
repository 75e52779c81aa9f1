"""Tick to fill with no notifier, with one that tells the log, and with one whose Telegram never answers.

The three take turns, so that what else the machine does meets all of them alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ops.benches.latency_scene import PATIENCE_S, Scene, scene
from ops.benches.row import Row, percentile
from ops.benches.running import TooSlow
from tests.support.telegram import HANG, FakeTelegram, telegram_server

ROUNDS = 2
POLLS = 100
"""More long polls than a notifier makes in a run."""
NONE, LOG, HANGING = "none", "log", "hanging"
CREDENTIALS = {"TELEGRAM_BOT_TOKEN": "12:token-of-a-bench", "TELEGRAM_CHAT_ID": "42"}
NOTIFIER = """
[[child]]
id = "notifier"
start = "workers.notifier:main"
limits = {{ nice = 10 }}
[child.config]
inputs = ["root", "broker"]
deliver = "{deliver}"
telegram = {{ base_url = "{base_url}" }}
"""


def beside_notifiers(samples: int, floor: Sequence[float]) -> Iterator[Row]:
    """Time entries beside each notifier; ``floor`` is that of the run without one, in seconds."""
    times: dict[str, list[float]] = {NONE: [], LOG: [], HANGING: []}
    with telegram_server() as fake, _credentials():
        fake.usual = lambda: HANG
        fake.polls.extend([HANG] * POLLS)
        for _ in range(ROUNDS):
            for kind in times:
                times[kind] += _timed(kind, fake, max(samples // ROUNDS, 1))
    for kind, found in times.items():
        for percent in (50, 99):
            least = percentile(floor if kind == NONE else times[NONE], percent)
            name = f"latency.notifier.{kind}.p{percent}"
            yield Row(name, 1e6 * percentile(found, percent), "us", 1e6 * least, len(found))


def _timed(kind: str, fake: FakeTelegram, samples: int) -> list[float]:
    if kind == NONE:
        with scene("process") as made:
            return made.timed("buy", samples)
    fake.asked.clear()
    deliver = "auto" if kind == HANGING else "log"
    with scene("process", NOTIFIER.format(deliver=deliver, base_url=fake.base_url), children=4) as made:
        found = made.timed("buy", samples)
        _wait(lambda: _told(made) >= samples, f"the notifier did not tell of {samples} fills")
        if kind == HANGING:
            _wait(lambda: bool(fake.asked), "the notifier asked nothing of its Telegram")
            if fake.taken:
                raise TooSlow("the notifier was not held up by its Telegram; nothing can be compared")
        return found


def _told(made: Scene) -> int:
    """Return how many messages the notifier has; one for each fill: it was at work all the time."""
    status, _ = made.running.status()
    notifier = next(child for child in status["children"] if child["id"] == "notifier")
    counters = notifier["counters"] or {}
    return int(counters.get("sent", 0) + counters.get("queued", 0))


def _wait(happened: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > deadline:
            raise TooSlow(f"{complaint} within {PATIENCE_S} s")
        time.sleep(0.1)


@contextmanager
def _credentials() -> Iterator[None]:
    """Give them to what is started meanwhile."""
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
