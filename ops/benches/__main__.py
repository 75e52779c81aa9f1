"""``ops/bench NAME [--json]``: run one benchmark and print its rows as they become known."""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

from ops.benches import idle, latency, replay, restart, scale

BENCHES: dict[str, ModuleType] = {
    module.__name__.rpartition(".")[2]: module for module in (restart, latency, replay, idle, scale)
}


def main() -> int:
    """Run what the command line names; 2 when there is no such benchmark."""
    parser = argparse.ArgumentParser(prog="ops/bench", description=__doc__)
    names = parser.add_subparsers(dest="name", required=True, metavar="NAME", help=", ".join(BENCHES))
    for name, module in BENCHES.items():
        bench = names.add_parser(name, description=module.__doc__)
        bench.add_argument("--json", action="store_true", help="print JSON Lines")
        module.add_options(bench)
    options = parser.parse_args()
    for row in BENCHES[options.name].run(options):
        sys.stdout.write(f"{row.json() if options.json else row.text()}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
