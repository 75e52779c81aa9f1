"""What can go wrong between the root and the operating system.

HostError
|-- StartFailed       no process came to be; told to the engine as ``SpawnFailed``
|-- ForkserverLost    the process that forks Python workers is gone; a new one is made
`-- LauncherLost      the process that runs commands is gone; a new one is made
"""

from __future__ import annotations


class HostError(Exception):
    """Base of this room's errors."""


class StartFailed(HostError):
    """A process could not be started; ``permanent``: trying again is no use until a person acts."""

    def __init__(self, detail: str, *, permanent: bool = False) -> None:
        super().__init__(detail, permanent)
        self.detail, self.permanent = detail, permanent

    def __str__(self) -> str:
        return self.detail


class ForkserverLost(HostError):
    """The forkserver ended, or did not answer, while a worker was being started."""

    def __init__(self, pid: int, found: str) -> None:
        super().__init__(pid, found)
        self.pid, self.found = pid, found

    def __str__(self) -> str:
        return f"the forkserver (pid {self.pid}) was lost: {self.found}; a new one takes over"


class LauncherLost(HostError):
    """The launcher ended before it answered."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(pid)
        self.pid = pid

    def __str__(self) -> str:
        return f"the launcher (pid {self.pid}) was lost before it answered; a new one takes over"
