"""What the children use: CPU and memory, by psutil, sampled off the loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """``cpu_percent`` of one core since the last sample, ``memory`` resident bytes."""

    cpu_percent: float
    memory: int


class Sampler:
    """Remembers each process between samples. Not for two threads at once."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}

    def sample(self, pids: Mapping[str, int]) -> dict[str, Usage]:
        """The usage of each child that still lives."""
        living = set(pids.values())
        self._processes = {pid: process for pid, process in self._processes.items() if pid in living}
        found: dict[str, Usage] = {}
        for child, pid in pids.items():
            usage = self._usage(pid)
            if usage is not None:
                found[child] = usage
        return found

    def _usage(self, pid: int) -> Usage | None:
        try:
            process = self._processes.get(pid)
            if process is None or not process.is_running():
                process = self._processes[pid] = psutil.Process(pid)
            with process.oneshot():
                return Usage(process.cpu_percent(), process.memory_info().rss)
        except psutil.Error:  # it has just gone
            return None
