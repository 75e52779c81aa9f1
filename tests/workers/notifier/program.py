"""The notifier at a pace for tests: ``start = "tests.workers.notifier.program:main"``."""

from __future__ import annotations

from protocol.messages.control import Launch
from workers.notifier import channels
from workers.notifier import main as notifier
from workers.notifier.pace import Pace


def main(launch: Launch) -> int:
    """Be the notifier, but with milliseconds between messages."""
    quick = Pace(between_s=0.002, first_s=0.002, last_s=0.01, window_s=0.01)
    channels.pace_of_chat = lambda chat_id: quick  # type: ignore[attr-defined]
    return notifier(launch)
