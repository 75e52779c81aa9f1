"""``ops/soak [--minutes N] [--seed S]``: no crash, no hang over 30 s, nothing leaked, books that balance.

A tree of real processes trades a simulated market on paper, through a local exchange that a seed makes
misbehave: garbage, silence, half-open connections, missing pongs, cuts, refusals, bans of REST and more. An
end of the feed as ``stale`` is an answer to some of these, not a crash. Exit status: 0 when all held; else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ops.endurance.books import Balance, Unbalanced, balance
from ops.endurance.broken import Broken
from ops.endurance.market import FAULTS, exchange, plan
from ops.endurance.watch import Watch
from tests.support.exchange.server import LocalExchange
from tests.support.exchange.thread import in_thread

LOOK_S: Final = 1.0
BALANCE_S: Final = 10.0
TREE: Final = """
[defaults.config]
mode = "paper"

[[child]]
id = "broker"
start = "workers.broker:main"
[child.config]
inputs = ["feed", "strategy"]
cash = "100000"
breakers = "off"
max_order_age = "10m"

[[child]]
id = "strategy"
start = "workers.strategy:main"
[child.config]
strategy = "ops.endurance.trader:Restless"
inputs = ["feed", "broker"]

[[child]]
id = "feed"
start = "workers.feed:main"
backoff = {{ initial = "0s", max = "2s" }}
intensity = {{ max_restarts = 1000, period = "10m" }}
max_consecutive_failures = 1000
[child.config]
source = "exchange"
exchange = "binance"
symbol = "BTC/USDT"
history = 30
ws_url = "{ws_url}"
rest_url = "{rest_url}"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and say what came of it; the exit status."""
    options = _options(arguments)
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
    tree = folder / "tree.toml"
    tree.write_text(TREE.format(ws_url=local.ws_url, rest_url=local.rest_url))
    environment = {**os.environ, "SUPERVISOR_RUNTIME_DIR": str(folder / "run")}
    (folder / "run").mkdir(mode=0o700)
    command = [sys.executable, "-m", "supervisor", "start", "--config", str(tree)]
    command += ["--state-dir", str(folder / "state")]
    with (folder / "console").open("wb") as console:
        root = subprocess.Popen(command, stdout=console, stderr=console, env=environment)
    try:
        seen = _watch(local, folder, root, environment, plan(seed, seconds), seconds)
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


def _watch(
    local: LocalExchange,
    folder: Path,
    root: subprocess.Popen[bytes],
    environment: dict[str, str],
    faults: list[tuple[float, str]],
    seconds: float,
) -> dict[str, Any]:
    watch, waiting = Watch(time.monotonic()), list(faults)
    begun = look_at_books = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        if root.poll() is not None:
            raise Broken(f"the root ended by itself:\n{(folder / 'console').read_text()[-2000:]}")
        while waiting and waiting[0][0] <= passed:
            local.faults = FAULTS[waiting.pop(0)[1]]
        watch.look(_children(folder, environment), well=local.faults == FAULTS["nothing"])
        if time.monotonic() >= look_at_books + BALANCE_S:
            look_at_books = time.monotonic()
            watch.balances += _balanced(folder) is not None
        time.sleep(LOOK_S)
    met = {name for _, name in faults} - {"nothing"}
    return {
        **watch.report(),
        "faults": sum(name != "nothing" for _, name in faults),
        "kinds": f"{len(met)} of {len(FAULTS) - 1}",
        "connections": local.connections,
    }


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
