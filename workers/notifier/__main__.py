"""The notifier as a process of the tree."""

from __future__ import annotations

from protocol.messages.control import Launch
from workers.notifier.app import build
from workers.notifier.config import NotifierConfig, refuse_unfit
from workers.shared.preflight import section
from workers.shared.process import run

preflight = section(NotifierConfig, lambda config, place: refuse_unfit(config, place.child))
"""What is wrong with a section, told before the start."""


def main(launch: Launch) -> int:
    """Run until told to stop; return the exit code."""
    return run(launch, build)
