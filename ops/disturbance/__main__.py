"""``ops/chaos [--kills N] [--seed S] [--file F] [--tree KIND] [--json]``: kill anything, compare the books.

A recording is replayed twice: undisturbed with `paper replay`, as fast as it goes; and while processes are
killed at positions of the recording that the seed decides (feed, strategy, broker, notifier, the forkserver
and the root, which is started again; by SIGKILL, SIGSTOP and SIGKILL, SIGTERM, or an operator's restart).
The second run is slowed down so far that all kills find their place, and made again, slower still, where
only that failed.
Exit status: 0 when all kills were made and the books are the same; else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ops.disturbance.books import Books, compare, read_books
from ops.disturbance.plan import Blow, plan
from ops.disturbance.recording import measure
from ops.disturbance.root import Root, Stuck
from ops.disturbance.tree import KINDS, write_tree

BUNDLED: Final = Path("workers/demo/btc-perp_1m_2022-01-09.csv.gz")
Report = dict[str, Any]

SECONDS_A_KILL: Final = 0.25
SLOWER: Final = (1, 4, 16)
"""How many times slower each further run is."""


class Failed(Exception):
    """The comparison could not be made; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, compare, print; the exit status."""
    options = _options(arguments)
    # What was started must not outlive this command, however it is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        report = chaos(options, folder)
    except (Failed, Stuck, ValueError, OSError) as error:
        sys.stderr.write(f"chaos: {error}\n")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{json.dumps(report) if options.json else _text(report)}\n")
    return 0 if report["ok"] else 1


def chaos(options: argparse.Namespace, folder: Path) -> Report:
    """Make both runs in ``folder``; the report. Raises Failed, Stuck, ValueError or OSError in words."""
    os.environ["SUPERVISOR_RUNTIME_DIR"] = str(folder / "run")
    extent = measure(options.file, options.time, options.volume)
    speed = extent.span_s / max(options.kills * SECONDS_A_KILL, 1.0)
    kind = KINDS[options.tree]

    def tree(speed: float) -> Path:
        return write_tree(folder, kind, options.file, speed=speed, time=options.time, volume=options.volume)

    plain = _undisturbed(options, tree(speed), folder / "undisturbed")
    books = read_books(folder / "undisturbed", kind.strategies)
    blows = plan(options.seed, options.kills, plain["candles"], kind.strategies)
    state_dir = folder / "disturbed"

    def disturbed(slower: int) -> Report:
        shutil.rmtree(state_dir, ignore_errors=True)
        began = time.monotonic()
        made, starts = _disturbed(tree(speed / slower), state_dir, blows, tuple(options.set))
        run = {"root_starts": starts, "seconds": round(time.monotonic() - began, 1)}
        return {**verdict(options.kills, made, books, read_books(state_dir, kind.strategies)), **run}

    counts = {name: plain[name] for name in ("candles", "orders", "fills")}
    return {"seed": options.seed, **counts, **slower_until_all(disturbed)}


def slower_until_all(run: Callable[[int], Report]) -> Report:
    """Run it anew, slower each time, until all blows found their place; what came of the last run.

    A machine that is busy takes longer to strike than the rest of a quick run lasts. That alone is a reason:
    a run whose books differ is the last one.
    """
    for runs, slower in enumerate(SLOWER, start=1):
        report = {**run(slower), "runs": runs}
        if report["ok"] or not report["same"]:
            break
    return report


def verdict(wanted: int, made: Sequence[Blow], undisturbed: Books, disturbed: Books) -> Report:
    """Return what was done and found; ``same``: nothing differs; ``ok``: and all kills were made. Pure."""
    found = compare(undisturbed, disturbed)
    lost, doubled = sum(it.lost for it in found.values()), sum(it.doubled for it in found.values())
    same = undisturbed.digest == disturbed.digest and not lost and not doubled
    return {
        "ok": same and len(made) >= wanted,
        "same": same,
        "kills": len(made),
        "kills_wanted": wanted,
        "digest": undisturbed.digest,
        "digest_disturbed": disturbed.digest,
        "lost": lost,
        "doubled": doubled,
        "streams": {kind: asdict(difference) for kind, difference in found.items()},
        "victims": dict(Counter(blow.victim for blow in made)),
        "means": dict(Counter(blow.means for blow in made)),
    }


def _undisturbed(options: argparse.Namespace, tree: Path, state_dir: Path) -> dict[str, Any]:
    command = [sys.executable, "-P", "-c", "from workers.paper import main; main()", "replay"]
    command += [str(options.file), "--config", str(tree), "--state-dir", str(state_dir), "--json"]
    command += [word for one in options.set for word in ("--set", one)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"the undisturbed replay failed: {done.stderr.strip()}")
    return dict(json.loads(done.stdout))


def _disturbed(
    tree: Path, state_dir: Path, blows: Sequence[Blow], sets: tuple[str, ...]
) -> tuple[list[Blow], int]:
    """Run it; the blows that fell and how often the root was started."""
    made: list[Blow] = []
    root = Root(tree, state_dir, sets)
    try:
        for blow in blows:
            if not (root.await_row(blow.row) and root.strike(blow)):
                break
            made.append(blow)
        if status := root.end():
            raise Failed(f"the disturbed replay ended with exit status {status}\n{root.said()}")
    finally:
        root.kill()
    return made, root.starts


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ops/chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=30, metavar="N", help="how many (default: 30)")
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="another seed, other kills (default: 1)"
    )
    parser.add_argument(
        "--file", type=Path, metavar="F", help="candles or trades (default: the demo's recording)"
    )
    parser.add_argument(
        "--tree",
        choices=tuple(KINDS),
        default="one",
        help="one strategy (default), or a group of two, one of which listens to fills",
    )
    parser.add_argument(
        "--time", choices=("open", "close"), help="what ts_ms marks (default: open; the demo's: close)"
    )
    parser.add_argument(
        "--volume", choices=("base", "quote"), help="of which currency (default: base; the demo's: quote)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="CHILD.KEY=VALUE", help="one key, in both runs"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.kills < 0:
        parser.error("--kills must not be negative")
    demo = options.file is None
    options.file = Path(__file__).resolve().parents[2] / BUNDLED if demo else options.file
    options.time = options.time or ("close" if demo else "open")
    options.volume = options.volume or ("quote" if demo else "base")
    if not options.file.is_file():
        parser.error(f"--file {options.file}: no such file")
    return options


def _text(report: dict[str, Any]) -> str:
    verdict = "the same books" if report["ok"] else "FAILED"
    return "\n".join([verdict, *(f"{name:17} {value}" for name, value in report.items() if name != "ok")])


if __name__ == "__main__":
    sys.exit(main())
