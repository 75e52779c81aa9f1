"""What runs in the forkserver: the process from which all Python workers are forked.

Imported only there. It has a session of its own, so that neither Ctrl+C nor a hang-up of the terminal
reaches it, holds the modules that workers need, and dies with the root.
"""

from __future__ import annotations

import gc
import importlib
import signal
from collections.abc import Sequence

from multiprocess import forkserver

from supervisor.host.prctl import die_with_parent, set_name

HELD_SIGNALS = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1})
"""Blocked here, and by inheritance in a newborn child until it has put its own house in order.

Blocked and not ignored: one that hits a newborn child waits there and is not lost. And a SIGTERM that
systemd or ``killall`` sends to everybody must not end the forkserver, and with it every child unheard.
"""

failures: dict[str, str] = {}
"""The preloads that could not be imported, and why."""


def main(listener: int, alive: int, root: int, modules: Sequence[str]) -> None:
    """Serve fork requests until the root closes ``alive`` or ends; both arguments are descriptors.

    ``root`` is the pid of the parent that this process shall not outlive.
    """
    die_with_parent(root)
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    set_name("sv-forkserver")
    failures.update(preload(modules))
    # Frozen objects are left out by the collector of every child, and so their pages stay shared.
    gc.collect()
    gc.freeze()
    forkserver.main(listener, alive, [])


def preload(modules: Sequence[str]) -> dict[str, str]:
    """Import the modules; return what went wrong, by module. One that fails does not stop the rest."""
    found: dict[str, str] = {}
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code; each child reports it
            found[module] = f"{type(error).__name__}: {error}"
    return found
