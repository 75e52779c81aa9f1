"""A resolver that fails on command, in processes that are started with its environment."""

from __future__ import annotations

import os
from pathlib import Path

RESOLVER = Path(__file__).with_name("resolver")


class Names:
    """Whether names resolve; ``folder`` holds the file that says so."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "names are lost"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be concerned, over what this one has."""
        path = os.pathsep.join(filter(None, (str(RESOLVER), os.environ.get("PYTHONPATH"))))
        return {"PYTHONPATH": path, "NAMES_LOST": str(self._file)}

    def lose(self, lost: bool) -> None:
        """Let none resolve, or all."""
        if lost:
            self._file.touch()
        else:
            self._file.unlink(missing_ok=True)
