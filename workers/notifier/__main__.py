"""The notifier as a process of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.messages.control import Launch
from workers.notifier.app import build
from workers.notifier.config import NotifierConfig
from workers.shared.preflight import section
from workers.shared.process import run


def preflight(child: str, config: Mapping[str, Any], config_dir: str, state_dir: str) -> tuple[str, ...]:
    """Say what is wrong with a section, its credentials, or the way to Telegram, before the start."""
    from workers.notifier.checking import startable  # late: no process of the tree needs it

    return section(NotifierConfig, startable)(child, config, config_dir, state_dir)


def main(launch: Launch) -> int:
    """Run until told to stop; return the exit code."""
    return run(launch, build)
