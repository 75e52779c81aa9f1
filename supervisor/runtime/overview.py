"""The tree as it is now, put together from all who know something about it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from protocol.messages.control import Beat
from supervisor.engine.engine import Engine
from supervisor.host.output import Output
from supervisor.link.liveness import Liveness
from supervisor.runtime.eventlog import EventLog
from supervisor.runtime.readiness import ForeignPrograms
from supervisor.runtime.resources import Resources
from supervisor.runtime.status import Sources, root_object, tree_object


@dataclass(frozen=True, kw_only=True)
class Overview:
    """``beats`` are the last ones of the children, ``born_at`` the monotonic time of the root's birth."""

    engine: Engine
    liveness: Liveness
    resources: Resources
    events: EventLog
    output: Output
    foreign: ForeignPrograms
    beats: Mapping[str, Beat]
    born_at: float

    def status(self, about: Mapping[str, Any], *, stopping: bool, now: float) -> dict[str, Any]:
        """The object of ``supervisor status --json`` at monotonic ``now``; ``about``: facts of the root."""
        views = self.engine.view(now)
        sources = self._sources(now)
        state = "stopping" if stopping else "running" if self.engine.started else "starting"
        # Lost for lack of disk or of a terminal that reads: by log, so that nobody trusts a log with holes.
        facts = {**about, "log_dropped": self.output.dropped}
        root = root_object(views, sources, state=state, uptime=now - self.born_at, about=facts)
        return tree_object(root, views, sources, now=now, wall_s=time.time())

    def _sources(self, now: float) -> Sources:
        return Sources(
            beat=self.beats.get,
            silence=lambda child: self.liveness.silence(child, now),
            usage=self.resources.usage,
            total=self.events.restarts_total,
            last_word=self.output.last_word,
            status_text=self.foreign.status_text,
        )
