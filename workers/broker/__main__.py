"""The broker as a process of the tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.messages.control import Launch
from workers.broker.app import build, startable
from workers.broker.config import BrokerConfig
from workers.shared.preflight import Part, section
from workers.shared.process import run

preflight = section(BrokerConfig, startable)
"""What is wrong with a section, told before the start."""


def part_in_run(_config: Mapping[str, Any]) -> Part | None:
    """Say that a recording cannot come to its end without this worker."""
    return "member"


def main(launch: Launch) -> int:
    """Run until told to stop; return the exit code."""
    return run(launch, build)
