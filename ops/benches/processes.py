"""What processes have used so far, read from /proc."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of CPU time of the living threads of these processes together, to the nanosecond."""
    threads = (thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir())
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def pss_mib(pids: Iterable[int]) -> float:
    """Memory of these processes together in MiB; what several share is counted once."""
    return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 2**20


def rss_kib(pid: int) -> float:
    """Resident memory in KiB."""
    return psutil.Process(pid).memory_info().rss / 1024


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
