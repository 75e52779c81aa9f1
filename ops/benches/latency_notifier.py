"""Tick to fill beside notifiers: none, one that tells the log, one whose Telegram never answers, one into
whose bot strangers write as fast as it can read, and a dead one.

They take turns, so that what else the machine does meets all of them alike.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from ops.benches.latency_scene import PATIENCE_S, Scene, scene
from ops.benches.row import Row, percentile
from ops.benches.running import TooSlow
from tests.support.telegram import HANG, OK, FakeTelegram, Reply, said, telegram_server

ROUNDS = 2
POLLS = 100
"""More long polls than a notifier makes in a run."""
FLOOD: Final = 5_000
"""More polls full of texts than a notifier reads in a run."""
NONE, LOG, HANGING, FLOODING, DEAD = "none", "log", "hanging", "flooding", "dead"
KINDS: Final = (NONE, LOG, HANGING, FLOODING, DEAD)
CREDENTIALS = {"TELEGRAM_BOT_TOKEN": "12:token-of-a-bench", "TELEGRAM_CHAT_ID": "42"}
NOTIFIER = """
[[child]]
id = "notifier"
start = "workers.notifier:main"
limits = {{ nice = 10 }}
intensity = {{ max_restarts = 0, period = "1m" }}
[child.config]
inputs = ["root", "broker"]
deliver = "{deliver}"
telegram = {{ base_url = "{base_url}" }}
"""


def beside_notifiers(samples: int, floor: Sequence[float]) -> Iterator[Row]:
    """Time entries beside each notifier; ``floor`` is that of the run without one, in seconds."""
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    with telegram_server() as fake, _credentials():
        for _ in range(ROUNDS):
            for kind in KINDS:
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
    _prepare(kind, fake)
    deliver = "auto" if kind in {HANGING, FLOODING} else "log"
    with scene("process", NOTIFIER.format(deliver=deliver, base_url=fake.base_url), children=4) as made:
        if kind == DEAD:
            _kill(made)
        found = made.timed("buy", samples)
        _check(kind, made, fake, samples)
        return found


def _prepare(kind: str, fake: FakeTelegram) -> None:
    """Have the server behave as the kind wants it."""
    fake.asked.clear()
    fake.taken.clear()
    fake.polls.clear()
    fake.usual = lambda: HANG if kind == HANGING else OK
    fake.polls.extend([HANG] * POLLS if kind == HANGING else [])
    fake.polls.extend(map(_crowd, range(FLOOD)) if kind == FLOODING else [])


def _crowd(nth: int) -> Reply:
    """Return a poll that is full of texts of strangers."""
    text = {"chat": {"id": 666}, "date": 0, "text": "/status"}
    return said(200, ok=True, result=[{"update_id": 20 * nth + n, "message": text} for n in range(20)])


def _kill(made: Scene) -> None:
    pid = _notifier(made)["pid"]
    os.kill(pid, signal.SIGKILL)
    _wait(made, lambda it: it["state"] == "parked", "park")


def _check(kind: str, made: Scene, fake: FakeTelegram, fills: int) -> None:
    """See to it that the notifier was what it should be all the time. Raises TooSlow where it was not."""
    if kind == DEAD:
        _wait(made, lambda it: it["state"] == "parked", "stay parked")
        return
    _wait(made, lambda it: _counted(it, "sent") + _counted(it, "queued") >= fills, f"tell of {fills} fills")
    if kind == HANGING:
        _wait(made, lambda _: bool(fake.asked), "ask its Telegram for anything")
    if kind == HANGING and fake.taken:
        raise TooSlow("the notifier was not held up by its Telegram; nothing can be compared")
    if kind == FLOODING and (not fake.polls or _counted(_notifier(made), "strangers") < fills):
        raise TooSlow("the notifier was not flooded all the time; nothing can be compared")


def _wait(made: Scene, fits: Callable[[dict[str, Any]], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not fits(_notifier(made)):
        if time.monotonic() > deadline:
            raise TooSlow(f"the notifier did not {what} within {PATIENCE_S} s")
        time.sleep(0.1)


def _counted(notifier: dict[str, Any], name: str) -> int:
    return int((notifier["counters"] or {}).get(name) or 0)


def _notifier(made: Scene) -> dict[str, Any]:
    status, _ = made.running.status()
    return next(child for child in status["children"] if child["id"] == "notifier")


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
