"""A tree on live markets: a local exchange is listened to, and trades come out at the broker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.deadline import wait_until
from tests.support.exchange.faults import Faults
from tests.support.exchange.server import LocalExchange
from tests.support.exchange.sessions import SESSIONS
from tests.support.exchange.thread import in_thread
from tests.support.rootprocess import RootProcess
from tests.system.conftest import Start

STRATEGY = '''
from workers.strategy.api import Intent, Strategy

class Buyer(Strategy):
    """Buys on the first price after the first live candle, however late in the minute."""

    live = False

    @property
    def warmup(self):
        return 1

    def on_candle(self, context, candle):
        self.live = self.live or not candle.backfilled
        return []

    def on_tick(self, context, tick):
        if self.live and context.position.direction == "flat":
            return [Intent("enter_long", reasons=("a live candle, and now a price",))]
        return []
'''
TREE = """
[supervisor]
preload = ["workers.shared", "workers.broker", "workers.strategy", "workers.feed"]

[defaults.config]
mode = "paper"

[[child]]
id = "broker"
start = "workers.broker:main"
[child.config]
inputs = ["feed", "strategy"]
cash = "1000000"
breakers = "off"
max_order_age = "10m"

[[child]]
id = "strategy"
start = "workers.strategy:main"
[child.config]
strategy = "buyer.py:Buyer"
inputs = ["feed"]
[child.config.parameters]
size = "0.1"

[[child]]
id = "feed"
start = "workers.feed:main"
backoff = {{ initial = "0s", max = "1s" }}
intensity = {{ max_restarts = 100, period = "10m" }}
[child.config]
source = "exchange"
exchange = "{exchange}"
market = "{market}"
symbol = "{symbol}"
ws_url = "{ws_url}"
rest_url = "{rest_url}"
history = 5
{more}
"""
PAPER = (sys.executable, "-c", "from workers.paper import main; main()")
MOST_RESIDENT = 40 * 1024 * 1024
FILLED_S = 90.0
"""However slow the machine: should the first candle be missed for it, the next comes within a minute."""


def fills(root: RootProcess) -> list[dict[str, Any]]:
    """What the broker has executed."""
    done = subprocess.run(
[*PAPER, "fills", "--json", "--state-dir", str(root.state_dir)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def begin(
    start: Start, tree_file: Callable[[str], str], name: str, local: LocalExchange, more: str = ""
) -> RootProcess:
    """Start the tree on a local exchange."""
    exchange, market = name.split()
    path = tree_file(
        TREE.format(
            exchange=exchange, market=market, symbol=SESSIONS[name].symbol, ws_url=local.ws_url,
            rest_url=local.rest_url, more=more,
        )
    )  # fmt: skip
    Path(path).with_name("buyer.py").write_text(STRATEGY)
    return start("--config", path)


def feed_of(root: RootProcess) -> dict[str, Any]:
    """The feed's part of the status."""
    return root.children().get("feed", {})


def lively(root: RootProcess) -> bool:
    """Whether the feed counts prices, and a candle that was not backfilled."""
    counters = feed_of(root).get("counters") or {}
    return bool(counters.get("candles", 0) > counters.get("backfilled", 0) and counters.get("ticks", 0))


@pytest.mark.req("F1")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name != "binance spot" else []) for name in SESSIONS],
)
def test_a_live_candle_becomes_a_trade_at_the_broker(
    start: Start, tree_file: Callable[[str], str], name: str
) -> None:
    """Ticks and the candle that closes come over WebSocket; the strategy buys on it, the broker fills."""
    with in_thread(SESSIONS[name].playing()) as local:
        root = begin(start, tree_file, name, local)
        root.wait_ready(["broker", "strategy", "feed"])
        wait_until(
            lambda: fills(root), FILLED_S, what="a fill", state=lambda: (feed_of(root), root.said()[-2000:])
        )
        [fill, *_] = fills(root)
        resident = psutil.Process(feed_of(root)["pid"]).memory_info().rss
        assert (SESSIONS[name].symbol, "buy") == (fill["symbol"], fill["side"])
        # What status says is as old as the last heartbeat.
        wait_until(lambda: lively(root), what="a live candle in the counters", state=lambda: feed_of(root))
        assert resident <= MOST_RESIDENT, f"{resident / 2**20:.1f} MiB"
        assert root.interrupt() == 0


@pytest.mark.req("F4")
@pytest.mark.req("S1")
def test_a_silent_exchange_ends_the_feed_as_stale_and_the_supervisor_starts_it_again(
    start: Start, tree_file: Callable[[str], str]
) -> None:
    """Exit code 75, reason stale, and the next incarnation connects; no other process is touched."""
    silent = SESSIONS["binance spot"].playing(faults=Faults(silence="after the acknowledgement"))
    with in_thread(silent) as local:
        root = begin(start, tree_file, "binance spot", local, more='stale_after = "1s"')
        # The feed is ready for a second at a time, which a slow machine may never be in time to see.
        root.wait_ready(["broker", "strategy"])

        def ended() -> dict[str, Any]:
            found = feed_of(root)
            return found if found.get("last_exit") else {}

        found = wait_until(ended, 30, what="the feed to end", state=lambda: feed_of(root))
        assert (75, "stale") == (found["last_exit"]["code"], found["last_exit"]["reason"])
        silent.faults = Faults()
        wait_until(lambda: fills(root), FILLED_S, what="a fill afterwards", state=lambda: feed_of(root))
        assert 1 == root.children()["broker"]["incarnation"]
        assert root.interrupt() == 0


@pytest.mark.slow
@pytest.mark.req("F1")
def test_the_simulated_market_needs_no_network(start: Start, tree_file: Callable[[str], str]) -> None:
    """History first, then ticks, at once and for ever."""
    text = """
[[child]]
id = "feed"
start = "workers.feed:main"
[child.config]
source = "simulated"
seed = 7
history = 20
"""
    root = start("--config", tree_file(text))
    root.wait_ready(["feed"])

    def begun() -> bool:
        counters = feed_of(root).get("counters") or {}
        return bool(counters.get("candles", 0) >= 19 and counters.get("ticks", 0) > 1)

    wait_until(begun, 30, what="candles and ticks", state=lambda: feed_of(root))
    assert root.interrupt() == 0
    assert [path.name for path in (root.state_dir / "data").iterdir()]
