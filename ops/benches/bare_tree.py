"""The floor of ``idle``: the libraries of a root, a forkserver with the workers' modules, four bare children.

Nobody supervises and nobody works; each process wakes once a second, as a root that announces itself and a
worker that beats must.
"""

from __future__ import annotations

import sys

import loguru
import msgspec
import multiprocess
import psutil
import zmq

from ops.benches import ticking
from ops.benches.demo import ROLES

LIBRARIES = (loguru, msgspec, psutil, zmq)


def main() -> None:
    """Be the tree until SIGTERM."""
    context = multiprocess.get_context("forkserver")
    context.set_forkserver_preload([ticking.__name__, *(f"workers.{role}" for role in ROLES)])
    for _ in ROLES:
        context.Process(target=ticking.tick_for_ever, daemon=True).start()
    sys.stdout.write("up\n")
    sys.stdout.flush()
    ticking.tick_for_ever()


if __name__ == "__main__":
    main()
