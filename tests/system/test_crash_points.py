"""Real processes, each killed once at every point of the way of a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ops.disturbance.books import compare, read_books
from protocol.codec import EVENTS
from protocol.journal import open_readonly, read_records
from tests.support.crashpoints import CrashPoint
from tests.support.mortal import POINTS, lives
from tests.system.conftest import Start
from tests.workers.feed.candles import rows, write
from tests.workers.shared.chain import LISTENS, WAVES, add_chain, finished, start_all
from tests.workers.shared.world import world

ROOMS = ("notifier", "broker", "strategy", "feed")
SPEED = 60 * 150
"""A hundred and fifty rows a second: slow enough that every life of the feed sees some."""
PATIENCE_S = 300
HEAD = """
[supervisor]
max_restarts = 1000
period = "1s"
preload = ["tests.support.mortal"]
[defaults.config]
mode = "paper"
"""
"""The rooms are imported once, not by each of forty-four processes: that took most of the time."""
CHILD = """
[[child]]
id = "{room}"
start = "tests.support.mortal:{room}"
backoff = {{ initial = "0s", factor = 1.0, max = "0s", jitter = 0.0 }}
intensity = {{ max_restarts = 1000, period = "1s" }}
max_consecutive_failures = "infinity"
[child.config]
{config}
"""
CONFIG = {
    "notifier": 'deliver = "log"',
    "broker": 'breakers = "off"',
    "strategy": 'strategy = "tests.workers.shared.listening:Listening"\ninputs = ["feed", "broker"]',
    "feed": f'source = "recorded"\nfile = "candles.csv"\nspeed = {SPEED}\non_end = "shutdown"',
}


def undisturbed(folder: Path, closes: list[int], patch: pytest.MonkeyPatch) -> None:
    """Leave the books of a run in which nobody died, made in a simulated world."""
    patch.setattr("workers.broker.app.hold", lambda path: 0)
    with world(folder) as made:
        add_chain(made, closes, {"strategy": LISTENS})
        start_all(made)
        made.run_until(lambda: finished(made))


def deaths(state_dir: Path) -> Counter[str]:
    """How often each child was killed."""
    connection = open_readonly(state_dir / "events.db")
    try:
        told = [EVENTS.decode(record.body) for record in read_records(connection, after=0, limit=100_000)]
    finally:
        connection.close()
    return Counter(it.child for it in told if it.child and it.facts.get("signal") == "SIGKILL")


@pytest.mark.req("X2", "B5", "T1")
@pytest.mark.parametrize(
    "points",
    [
        pytest.param("DECIDED RECORDS TABLES COMMITTED", id="some"),
        pytest.param(" ".join(CrashPoint.__members__), id="all", marks=pytest.mark.slow),
    ],
)
def test_sigkill_at_each_point_of_every_worker_leaves_the_same_books(
    points: str,
    start: Start,
    tree_file: Callable[[str], str],
    state_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Deaths by SIGKILL at named points, up to forty-four; the ledger is that of a simulated world without.

    Strategy and broker go row by row, so they come by every point on a machine of any speed.
    """
    monkeypatch.setenv(POINTS, points)
    closes = WAVES[:150]
    quiet = tmp_path / "quiet"
    quiet.mkdir()
    undisturbed(quiet, closes, monkeypatch)
    write(tmp_path / "candles.csv", rows(closes))
    tree = HEAD + "".join(CHILD.format(room=room, config=CONFIG[room]) for room in ROOMS)
    root = start("--config", tree_file(tree))

    assert root.process.wait(PATIENCE_S) == 0, root.said()
    died = deaths(state_dir)
    assert (len(lives("broker")), len(lives("strategy"))) == (died["broker"], died["strategy"])
    assert died["feed"] > 0
    assert died["notifier"] > 0
    found, wanted = read_books(state_dir), read_books(quiet)
    assert wanted.digest == found.digest
    assert {(0, 0)} == {(it.lost, it.doubled) for it in compare(wanted, found).values()}
