"""What can be wrong with a recording.

PersonMustLook
`-- BadRecording
"""

from __future__ import annotations

from pathlib import Path

from workers.shared.exits import PersonMustLook


class BadRecording(PersonMustLook):
    """A recording cannot be read at all; single bad rows are skipped instead."""

    def __init__(self, *, path: Path, found: str, wanted: str) -> None:
        super().__init__(path, found, wanted)
        self.path, self.found, self.wanted = path, found, wanted

    def __str__(self) -> str:
        return f"recording {self.path}: {self.found}; {self.wanted}"
