"""A service manager's end of the notify protocol: a datagram socket that remembers what it was told."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType


class FakeSystemd:
    """Listens at a path, or in the abstract namespace when ``address`` begins with ``@``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(0)
        self._told: list[str] = []

    def told(self) -> list[str]:
        """Every assignment so far, in order."""
        while True:
            try:
                self._told += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return list(self._told)

    def status(self) -> str:
        """The last STATUS=; empty before the first."""
        lines = [line for line in self.told() if line.startswith("STATUS=")]
        return lines[-1].removeprefix("STATUS=") if lines else ""

    def __enter__(self) -> FakeSystemd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        if not self.address.startswith("@"):
            Path(self.address).unlink()
