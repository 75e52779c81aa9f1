"""A module whose import never ends, once it is imported in a child and not by a check before the start."""

from __future__ import annotations

import os
import select

from protocol.messages.control import Launch
from tests.support.puppets import say


def main(launch: Launch) -> None:
    """Never be reached."""
    raise AssertionError(launch)


if "SUPERVISOR_CHILD" in os.environ:
    say("importing")
    select.select([], [], [])
