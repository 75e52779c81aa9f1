"""What the children use of the machine: sampled off the loop, held against their limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from msgspec import structs

from protocol.messages.notice import SupervisionEvent
from supervisor.engine.events import LimitExceeded
from supervisor.engine.spec import WorkerSpec
from supervisor.host.oom import RECENT_S, OomWatch, find_counter
from supervisor.host.port import Host
from supervisor.host.resources import Sampler, Usage

SAMPLE_EVERY_S: Final = 2.0
SAMPLE_SHARE: Final = 0.01
"""The part of the time that sampling may take: a thousand children are looked at less often."""
OVER_LIMIT_SAMPLES: Final = 3
"""So many samples in a row above the memory limit count as staying above it."""


class Children(Protocol):
    """What must be known of the tree."""

    def spec_of(self, child: str) -> WorkerSpec | None:
        """The specification of a worker; None when there is no such worker."""
        ...

    def incarnation(self, child: str) -> int | None:
        """The incarnation that is alive; None when there is none."""
        ...


class Resources:
    """Samples until closed. ``tell`` hears of children that stay above their memory limit."""

    def __init__(self, host: Host, children: Children, tell: Callable[[LimitExceeded], None]) -> None:
        self._host, self._children, self._tell = host, children, tell
        self._usage: dict[str, Usage] = {}
        self._over: Counter[str] = Counter()
        self._oom = OomWatch(find_counter())
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sampler")

    async def sample(self) -> None:
        """Sample again and again; to be cancelled."""
        sampler = Sampler()
        loop = asyncio.get_running_loop()
        while True:
            pids, began = dict(self._host.pids()), loop.time()
            self._usage = await loop.run_in_executor(self._thread, sampler.sample, pids)
            self._check_memory()
            took = loop.time() - began
            await asyncio.sleep(max(SAMPLE_EVERY_S, took / SAMPLE_SHARE))

    async def watch_oom(self) -> None:
        """Look at the kernel's count of kills again and again; to be cancelled."""
        while True:
            self._oom.look(self._host.now())
            await asyncio.sleep(RECENT_S)

    def usage(self, child: str) -> Usage | None:
        """The last sample of a child; None when there is none."""
        return self._usage.get(child)

    def forget(self, child: str) -> None:
        """The child's process is gone."""
        self._usage.pop(child, None)
        self._over.pop(child, None)

    def explained(self, event: SupervisionEvent) -> SupervisionEvent:
        """The event, with ``oom`` among its facts if it tells of a death for lack of memory."""
        facts = event.facts
        # Only deaths that nobody asked for; the engine knows those of its own making.
        killed = event.event == "exited" and facts.get("signal") == "SIGKILL" and facts["reason"] == "killed"
        if not (killed and self._oom.claim(self._host.now())):
            return event
        return structs.replace(event, facts={**facts, "oom": True})

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(wait=True)

    def _check_memory(self) -> None:
        for child, usage in self._usage.items():
            spec = self._children.spec_of(child)
            limit = None if spec is None else spec.program.limits.memory
            if limit is None or usage.memory <= limit:
                self._over.pop(child, None)
                continue
            self._over[child] += 1
            incarnation = self._children.incarnation(child)
            if self._over[child] == OVER_LIMIT_SAMPLES and incarnation is not None:
                self._tell(LimitExceeded(child, incarnation, usage.memory, limit))
