"""The keys of a tree file and what each may hold. A mapping in place of a reader is a nested table.

Defaults are those of :mod:`supervisor.engine.spec`; the few that differ stand in ``config_build``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from supervisor.config.fields import (
    Read,
    Unfit,
    duration,
    either,
    environment,
    flag,
    free_table,
    identifier,
    list_of,
    module,
    number,
    one_of,
    optional_words,
    period,
    size,
    target,
    text,
    whole,
    words,
)  # fmt: skip
from supervisor.config.probes import liveness, ready

Keys = Mapping[str, "Read | Keys"]


def _heartbeat(value: object) -> Any:
    if value != "none":
        raise Unfit('{ interval = "1s", misses = 5 } | "none"', ("none",))
    return value


RESTART: Final = one_of("permanent", "transient", "temporary")
STRATEGY: Final = one_of("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")
AUTO_SHUTDOWN: Final = one_of("never", "any_significant", "all_significant")
NO_LIMIT: Final = {"infinity": None}

BACKOFF: Final[Keys] = {
    "initial": duration,
    "factor": number(1, 1000),
    "max": duration,
    "jitter": number(0, 1),
    "stable_after": duration,
}
INTENSITY: Final[Keys] = {"max_restarts": whole(0), "period": period}
HEARTBEAT: Final[Keys] = {"interval": period, "misses": whole(1)}
LIMITS: Final[Keys] = {"memory": size, "open_files": whole(1), "nice": whole(-20, 19)}

SUPERVISOR: Final[Keys] = {
    "strategy": STRATEGY,
    "max_restarts": whole(0),
    "period": period,
    "on_exhausted": one_of("hold", "exit"),
    "probe": period,
    "auto_shutdown": AUTO_SHUTDOWN,
    "state_dir": text,
    "preload": list_of(module),
    "alert_command": optional_words,
    "alert_after": duration,
    "notifier": text,
    "health": period,
}
DEFAULTS: Final[Keys] = {"config": free_table}
CHILD: Final[Keys] = {
    "id": identifier,
    "start": target,
    "command": words,
    "directory": text,
    "environment": environment,
    "user": text,
    "restart": RESTART,
    "significant": flag,
    "backoff": BACKOFF,
    "intensity": INTENSITY,
    "max_consecutive_failures": either(NO_LIMIT, whole(0)),
    "on_exhausted": one_of("park", "escalate"),
    "shutdown": either({"brutal_kill": "brutal_kill", "infinity": "infinity"}, duration),
    "ready_timeout": either(NO_LIMIT, period),
    "ready": ready,
    "heartbeat": HEARTBEAT,
    "liveness": liveness,
    "limits": LIMITS,
    "max_runtime": duration,
    "no_restart_exit_codes": list_of(whole(0, 255)),
    "parent": text,
    "config": free_table,
}
GROUP: Final[Keys] = {
    "id": identifier,
    "strategy": STRATEGY,
    "max_restarts": whole(0),
    "period": period,
    "auto_shutdown": AUTO_SHUTDOWN,
    "restart": RESTART,
    "significant": flag,
    "parent": text,
}
SECTIONS: Final = ("supervisor", "defaults", "child", "group")

INSTEAD_OF_TABLE: Final[Mapping[str, Read]] = {"heartbeat": _heartbeat}
"""Keys of a child that may hold a word where a table is usual: ``heartbeat = "none"``."""
