"""``ops/soak [--minutes N] [--seed S]``: no crash, no hang over 30 s, nothing leaked, books that balance.

A tree of real processes trades a simulated market on paper, through a local exchange that a seed makes
misbehave (``troubles.py``): it speaks TLS in the languages of Binance and Bybit, one feed each. An end of a
feed as ``stale`` is an answer to some of that, not a crash. Exit status: 0 when all held; else 1.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ops.endurance.books import Balance, Unbalanced, balance
from ops.endurance.broken import Broken
from ops.endurance.market import exchange
from ops.endurance.tally import tally
from ops.endurance.troubles import FAULTS, Trouble, troubles
from ops.endurance.watch import LONGEST_HANG_S, Watch
from tests.support.exchange.faults import Faults
from tests.support.exchange.names import Names
from tests.support.exchange.server import TRUSTED, LocalExchange
from tests.support.exchange.thread import in_thread

LOOK_S: Final = 1.0
BALANCE_S: Final = 10.0
FIRST_S: Final = 5.0
"""How long all is well at the beginning."""
FEEDS: Final = ("binance", "bybit")
WELL: Final = Faults()
FEED: Final = """
[[child]]
id = "{exchange}"
start = "workers.feed:main"
backoff = {{ initial = "0s", max = "2s" }}
intensity = {{ max_restarts = 1000, period = "10m" }}
max_consecutive_failures = 1000
[child.config]
source = "exchange"
exchange = "{exchange}"
market = "spot"
symbol = "BTC/USDT"
history = 30
ws_url = "{ws_url}"
rest_url = "{rest_url}"
"""
TREE: Final = """
[defaults.config]
mode = "paper"

[[child]]
id = "broker"
start = "workers.broker:main"
[child.config]
inputs = ["binance", "strategy"]
cash = "100000"
breakers = "off"
max_order_age = "10m"

[[child]]
id = "strategy"
start = "workers.strategy:main"
[child.config]
strategy = "ops.endurance.trader:Restless"
inputs = ["binance", "broker"]
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and say what came of it; the exit status."""
    options = _options(arguments)
    # The local exchange writes on to feeds that left while it was deaf; asyncio would tell of each time.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, in_thread(exchange(options.seed)) as local:
        try:
            report = soak(local, Path(folder), options.minutes * 60, options.seed)
        except Broken as broken:
            sys.stderr.write(f"soak: {broken}\n")
            return 1
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


def soak(local: LocalExchange, folder: Path, seconds: float, seed: int) -> dict[str, Any]:
    """Run the tree for so long. Raises Broken."""
    names = Names(folder)
    environment = _environment(folder, names)
    with (folder / "console").open("wb") as console:
        root = subprocess.Popen(_command(local, folder), stdout=console, stderr=console, env=environment)
    try:
        seen = _watch(Scene(local, names, folder, root, environment), troubles(seed), seconds)
    finally:
        root.terminate()
        code = root.wait(60)
    if code != 0:
        raise Broken(f"the root ended with {code}")
    books = _balanced(folder)
    if books is None or not books.fills:
        raise Broken("nothing was traded, so the books prove nothing")
    return {
        **seen,
        "fills": books.fills,
        "equity": str(books.equity),
        "seconds": round(seconds),
        "seed": seed,
        "digest": _digest(folder, environment),
    }


@dataclass(frozen=True)
class Scene:
    """Who plays: the exchange, the resolver, and the tree that runs."""

    local: LocalExchange
    names: Names
    folder: Path
    root: subprocess.Popen[bytes]
    environment: dict[str, str]

    def bring(self, faults: Faults) -> None:
        """Have these faults, and no others, from now on."""
        self.names.lose(faults.nameless)
        self.local.faults = faults

    @property
    def well(self) -> bool:
        """Whether the exchange is in good health."""
        return self.local.faults == WELL


def _environment(folder: Path, names: Names) -> dict[str, str]:
    """What the tree starts with: the exchange's certificate beside those that are trusted anyway."""
    (folder / "run").mkdir(mode=0o700)
    bundle, known = folder / "certificates.pem", ssl.get_default_verify_paths().cafile
    bundle.write_text((Path(known).read_text() if known else "") + TRUSTED.read_text())
    more = {"SUPERVISOR_RUNTIME_DIR": str(folder / "run"), "SSL_CERT_FILE": str(bundle)}
    return {**os.environ, **names.environment, **more}


def _command(local: LocalExchange, folder: Path) -> list[str]:
    tree, urls = folder / "tree.toml", {"ws_url": local.ws_url, "rest_url": local.rest_url}
    tree.write_text(TREE + "".join(FEED.format(exchange=name, **urls) for name in FEEDS))
    command = [sys.executable, "-m", "supervisor", "start", "--config", str(tree)]
    return [*command, "--state-dir", str(folder / "state")]


def _watch(scene: Scene, coming: Iterator[Trouble], seconds: float) -> dict[str, Any]:
    begun = look_at_books = time.monotonic()
    watch, met, until = Watch(FEEDS, begun), list[Trouble](), begun + FIRST_S
    while (now := time.monotonic()) < begun + seconds:
        if scene.root.poll() is not None:
            raise Broken(f"the root ended by itself:\n{(scene.folder / 'console').read_text()[-2000:]}")
        if not scene.well and now >= until:
            scene.bring(WELL)
            until = now + met[-1].rest_s
        elif scene.well and now >= until and watch.recovered and now < begun + seconds - LONGEST_HANG_S / 2:
            met.append(next(coming))
            scene.bring(met[-1].faults)
            until = min(met[-1].until(now, time.time()), begun + seconds - LONGEST_HANG_S / 2)
        watch.look(_children(scene.folder, scene.environment), time.monotonic(), well=scene.well)
        if now >= look_at_books + BALANCE_S:
            look_at_books = now
            watch.balances += _balanced(scene.folder) is not None
        time.sleep(LOOK_S)
    kinds = {name for trouble in met for name in trouble.names}
    return {
        "candles": watch.feeds[FEEDS[0]].report()["candles"],
        "faults": sum(len(trouble.names) for trouble in met),
        "kinds": f"{len(kinds)} of {len(FAULTS)}",
        "connections": scene.local.connections,
        "balances": watch.balances,
        "orders": watch.orders,
        **{name: {**feed.report(), **_told(scene.folder, name)} for name, feed in watch.feeds.items()},
    }


def _told(folder: Path, name: str) -> dict[str, dict[str, int]]:
    return tally(folder / "state" / "log" / f"{name}.jsonl")


def _balanced(folder: Path) -> Balance | None:
    database = folder / "state" / "data" / "broker.db"
    try:
        return balance(database) if database.exists() else None
    except Unbalanced as error:
        raise Broken(f"the books do not balance: {error}") from error


def _children(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "supervisor", "status", "--json", "--state-dir", str(folder / "state")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    if done.returncode not in (0, 3):
        return {}
    return {child["id"]: child for child in json.loads(done.stdout)["children"]}


def _digest(folder: Path, environment: dict[str, str]) -> str:
    """The digest of the books; to compute it they are read whole and checked."""
    command = [sys.executable, "-c", "from workers.paper import main; main()", "ledger", "--digest"]
    command += ["--state-dir", str(folder / "state")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
    if done.returncode != 0:
        raise Broken(f"the books cannot be read: {done.stderr}")
    return done.stdout.strip()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of the market and of the faults (default: 1)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
