"""A module that can be imported before the start, and no longer in the child."""

from __future__ import annotations

import os

from protocol.messages.control import Launch


def main(launch: Launch) -> None:
    """Never be reached."""
    raise AssertionError(launch)


if "SUPERVISOR_CHILD" in os.environ:
    raise ImportError("the library is of another release")
