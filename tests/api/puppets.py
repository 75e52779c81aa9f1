"""What children of these tests do."""

from __future__ import annotations

import signal
from pathlib import Path

from protocol.child import Connection, Launch


def serves(launch: Launch) -> None:
    """Serve and beat until told to stop; ``says`` is shown as a counter."""
    with Connection(launch) as root:
        root.ready()
        while not root.sleep(0.02):
            root.beat(counters={"says": launch.config.get("says")})


def fails(launch: Launch) -> None:
    """End before it is ready."""
    raise RuntimeError(f"no luck for {launch.child}")


def never_ready(launch: Launch) -> None:
    """Start for ever, but obey."""
    with Connection(launch) as root:
        root.sleep(float("inf"))


def finishes(launch: Launch) -> None:
    """Do all there is to do, and have the tree end with the code named."""
    with Connection(launch) as root:
        root.ready()
        root.done("shutdown", launch.config["code"])
        root.sleep(float("inf"))


def plain() -> None:
    """Know nothing of a root."""
    signal.pause()


def writes(launch: Launch) -> None:
    """Write its config where it says."""
    Path(launch.config["file"]).write_text(repr(launch.config))
    serves(launch)
