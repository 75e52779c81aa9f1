"""First on PYTHONPATH: no name resolves in this process while the file that NAMES_LOST names is there."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

_resolve = socket.getaddrinfo


def _getaddrinfo(host: Any, *arguments: Any, **more: Any) -> list[Any]:
    if isinstance(host, str) and host[:1].isalpha() and Path(os.environ["NAMES_LOST"]).exists():
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return _resolve(host, *arguments, **more)


socket.getaddrinfo = _getaddrinfo
