"""The notifier at a pace for tests: ``start = "tests.workers.notifier.program:main"``."""

from __future__ import annotations

from protocol.messages.control import Launch
from workers.notifier import channels, sight
from workers.notifier import main as notifier
from workers.notifier.pace import Pace


def main(launch: Launch) -> int:
    """Be the notifier, but with milliseconds between messages."""
    quick = Pace(between_s=0.002, first_s=0.002, last_s=0.01, window_s=0.01)
    channels.pace_of_chat = lambda chat_id: quick  # type: ignore[attr-defined]
    return notifier(launch)


def loud(launch: Launch) -> int:
    """Be a notifier that takes every recording for the market, so that a flood can be made."""
    sight.replays = lambda status, roles: False
    return main(launch)
