"""``ops/bench NAME [--json]``: run one benchmark and print its rows as they become known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from ops.benches import idle, latency, restart, scale
from ops.benches.row import Row

Bench = Callable[[argparse.Namespace], Iterator[Row]]
BENCHES: dict[str, Bench] = {
    "restart": restart.run,
    "latency": latency.run,
    "idle": idle.run,
    "scale": scale.run,
}


def main() -> int:
    """Run what the command line names; 2 when there is no such benchmark."""
    parser = argparse.ArgumentParser(prog="ops/bench", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME", help=", ".join(BENCHES))
    for name, module in (("restart", restart), ("latency", latency), ("idle", idle), ("scale", scale)):
        bench = names.add_parser(name, description=module.__doc__)
        bench.add_argument("--json", action="store_true", help="print JSON Lines")
        module.add_options(bench)
    options = parser.parse_args()
    for row in BENCHES[options.name](options):
        sys.stdout.write(f"{row.json() if options.json else row.text()}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
