"""The broker as a process of the tree."""

from __future__ import annotations

from protocol.messages.control import Launch
from workers.broker.app import build
from workers.shared.process import run


def main(launch: Launch) -> int:
    """Run until told to stop; return the exit code."""
    return run(launch, build)
