"""What ends a soak."""

from __future__ import annotations


class Broken(Exception):
    """Something that must hold did not; the message says what."""
