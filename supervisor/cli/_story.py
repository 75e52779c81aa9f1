"""What the recorded events say of one child: how it ended last, who asked for that, and how it fails.

Pure: events in (oldest first, see ``_history``), values out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Any, Final

from supervisor.cli._exitwords import PLANNED, how
from supervisor.cli._history import Event

_ASKING: Final = frozenset({"stop_asked", "restart_asked"})
_ROOT_STOPS: Final = {
    "operator": "an operator (`supervisor stop`)",
    "SIGINT": "whoever pressed Ctrl+C at the root (SIGINT)",
    "SIGTERM": "whoever sent SIGTERM to the root, such as systemd",
    "SIGHUP": "the end of the root's terminal (SIGHUP)",
    "--duration": "the time limit of the run (--duration)",
    "--max-restarts": "the restart limit of the run (--max-restarts)",
}
_NOBODY: Final = "nobody: it ended by itself"


@dataclass(frozen=True, kw_only=True)
class LastExit:
    """How the last incarnation ended. ``uptime`` in seconds; ``by`` says in words who brought it about."""

    at: str
    code: int | None
    signal: str | None
    reason: str
    uptime: float
    oom: bool
    detail: str | None
    by: str


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """The ends that nobody asked for: how many, since when, of what kind, how far apart (seconds)."""

    count: int
    first_at: str
    last_at: str
    kinds: dict[str, int]
    intervals: tuple[float, ...]
    median_interval: float | None
    median_uptime: float


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that the events tell of one child.

    ``lost_with_root``: its last end is that of a root which was lost, later than ``last_exit``.
    ``restarting`` is the last event of that name, ``standing`` the name of the last one about the child.
    """

    last_exit: LastExit | None
    lost_with_root: bool
    pattern: Pattern | None
    restarting: Event | None
    standing: str | None


def tell_story(
    name: str, events: Sequence[Event], *, root_runs: bool, remembered: Sequence[Event] = ()
) -> Story:
    """Read the story of one child out of the events of the whole tree.

    ``remembered`` are single ones from before ``events``; a pattern cannot be seen in them.
    """
    recent = [event for event in events if event["child"] == name and event["event"] == "exited"]
    first = events[0]["seq"] if events else None
    events = [*(event for event in remembered if first is None or event["seq"] < first), *events]
    own = [event for event in events if event["child"] == name]
    exits = [event for event in own if event["event"] == "exited"]
    restarting = [event for event in own if event["event"] == "restarting"]
    return Story(
        last_exit=_last_exit(exits[-1], events) if exits else None,
        lost_with_root=_lost_with_root(name, events, root_runs=root_runs),
        pattern=_pattern(recent),
        restarting=restarting[-1] if restarting else None,
        standing=own[-1]["event"] if own else None,
    )


def known_children(events: Sequence[Event]) -> set[str]:
    """The ids of all children that the events tell of."""
    about_all = {"reloaded", "root_started", "root_stopped"}
    return {event["child"] for event in events if event["event"] not in about_all} - {None}


def _last_exit(end: Event, events: Sequence[Event]) -> LastExit:
    return LastExit(
        at=end["at"],
        code=end.get("code"),
        signal=end.get("signal"),
        reason=end["reason"],
        uptime=end.get("uptime") or 0.0,
        oom=bool(end.get("oom")),
        detail=end.get("detail"),
        by=_brought_about_by(end, _since_birth(end, events)),
    )


def _since_birth(end: Event, events: Sequence[Event]) -> list[Event]:
    """The events from the start of the incarnation that ended to its end, of all children."""
    before = [event for event in events if event["seq"] < end["seq"]]
    for index in range(len(before) - 1, -1, -1):
        event = before[index]
        if event["event"] == "root_started" or (
            event["event"] == "spawned" and event["child"] == end["child"]
        ):
            return before[index:]
    return before


def _brought_about_by(end: Event, life: Sequence[Event]) -> str:
    name = end["child"]
    match end["reason"]:
        case "stopped" | "restarted":
            return _asked_by(name, life)
        case "killed":
            return "the kernel" if end.get("oom") else "somebody outside of this tree, or the kernel"
        case "forkserver":
            return "the loss of the forkserver, which takes all Python workers with it"
        case "hung":
            return f"the root: {_silence(name, life)}"
        case "memory":
            return f"the root: {_excess(name, life)}"
        case "start_timeout":
            return "the root: it was not ready within its ready_timeout"
        case "max_runtime":
            return "the root: its max_runtime was over, which is no failure"
        case _:
            return _NOBODY


def _asked_by(name: str, life: Sequence[Event]) -> str:
    for event in reversed(life):
        if event["event"] == "reloaded" and name in (*event.get("removed", ()), *event.get("changed", ())):
            return "an operator (`supervisor reload`)"
        if event["event"] in _ASKING and event["child"] == name:
            return f"an operator (`supervisor {event['event'].removesuffix('_asked')} {name}`)"
        if event["event"] in _ASKING and event["child"] is None:
            return _asked_of_all(event)
    return _neighbour(name, life)


def _asked_of_all(event: Event) -> str:
    by = event.get("by")
    if by is None:
        return "a stop of the whole tree"
    return f"{_ROOT_STOPS.get(by, f'{by}, which had finished all its work')}: a stop of the whole tree"


def _neighbour(name: str, life: Sequence[Event]) -> str:
    for event in reversed(life):
        if event["event"] == "escalated":
            return f"its supervisor, which gave up because of {event['child']}"
        failed = event["event"] == "exited" and event["reason"] not in PLANNED
        if failed and event["child"] != name:
            return f"its supervisor, when {event['child']} failed ({event['reason']})"
    return "its supervisor"


def _silence(name: str, life: Sequence[Event]) -> str:
    hung = _last(life, name, "hung")
    return "no heartbeat" if hung is None else f"no heartbeat for {hung.get('silence')} s"


def _excess(name: str, life: Sequence[Event]) -> str:
    warning = _last(life, name, "warning")
    if warning is None or "memory" not in warning:
        return "its memory limit"
    return f"it held {warning['memory']} bytes, its limit is {warning['limit']}"


def _last(life: Sequence[Event], name: str, kind: str) -> Event | None:
    return next((e for e in reversed(life) if e["event"] == kind and e["child"] == name), None)


def _lost_with_root(name: str, events: Sequence[Event], *, root_runs: bool) -> bool:
    """Whether the last end of the child is missing because the root itself was lost."""
    alive = False
    ended_well = False
    lost = False
    for event in events:
        kind = event["event"]
        if kind == "root_started":
            lost, alive, ended_well = lost or (alive and not ended_well), False, False
        elif kind == "root_stopped":
            ended_well = True
        elif event["child"] == name and kind in {"spawned", "exited"}:
            alive = kind == "spawned"
            lost = lost and alive
    return lost or (alive and not ended_well and not root_runs)


def _pattern(exits: Sequence[Event]) -> Pattern | None:
    unasked = [event for event in exits if event["reason"] not in PLANNED]
    if not unasked:
        return None
    times = [datetime.fromisoformat(event["at"]) for event in unasked]
    intervals = tuple((later - earlier).total_seconds() for earlier, later in pairwise(times))
    return Pattern(
        count=len(unasked),
        first_at=unasked[0]["at"],
        last_at=unasked[-1]["at"],
        kinds=dict(Counter(_kind(event) for event in unasked).most_common()),
        intervals=intervals,
        median_interval=median(intervals) if intervals else None,
        median_uptime=median(event.get("uptime") or 0.0 for event in unasked),
    )


def _kind(event: dict[str, Any]) -> str:
    return f"{event['reason']}, out of memory" if event.get("oom") else f"{event['reason']} ({how(event)})"
