"""The object of ``supervisor status --json``, made of what the engine, the children and the system say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protocol.messages.control import Beat, Health
from supervisor.engine.child import Ending
from supervisor.engine.view import ChildView
from supervisor.host.resources import Usage
from supervisor.runtime.utc import iso

SCHEMA = 1
_WORSE: Mapping[Health, int] = {"healthy": 0, "degraded": 1, "critical": 2}


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the facts come from, each a question about one child."""

    beat: Callable[[str], Beat | None]
    silence: Callable[[str], float | None]
    usage: Callable[[str], Usage | None]
    total: Callable[[str], int]
    last_word: Callable[[str, int], str | None]
    status_text: Callable[[str], str | None] = lambda _: None


def root_object(
    views: Sequence[ChildView], sources: Sources, *, state: str, uptime: float, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The root: its own facts, and the worst health of what is wanted."""
    health = worst([health_of(view, sources.beat(view.id)) for view in views if view.wanted])
    return {"state": state, "uptime": round(uptime, 3), "health": health, **about}


def tree_object(
    root: Mapping[str, Any], views: Sequence[ChildView], sources: Sources, *, now: float, wall_s: float
) -> dict[str, Any]:
    """The whole status. ``now`` is monotonic, ``wall_s`` the same moment as UTC seconds."""
    children = [child_object(view, sources, now, wall_s) for view in views]
    return {"schema": SCHEMA, "root": dict(root), "children": children}


def child_object(view: ChildView, sources: Sources, now: float, wall_s: float) -> dict[str, Any]:
    """One child. ``now`` is monotonic, ``wall_s`` the same moment as UTC seconds."""
    beat = sources.beat(view.id)
    usage = sources.usage(view.id) if view.pid is not None else None
    silence = sources.silence(view.id)
    return {
        "id": view.id,
        "path": view.path,
        "type": view.type,
        "state": view.state,
        "wanted": view.wanted,
        "pid": view.pid,
        "incarnation": view.incarnation,
        "health": health_of(view, beat),
        "uptime": None if view.since is None else round(now - view.since, 3),
        "restarts": view.restarts,
        "restarts_total": sources.total(view.id),
        "restarts_in_window": view.restarts_in_window,
        "max_restarts": view.max_restarts,
        "period": view.period,
        "consecutive_failures": view.consecutive_failures,
        "next_restart_in": None
        if view.next_start_at is None
        else max(0.0, round(view.next_start_at - now, 3)),
        "waiting_for": view.waiting_for or (beat.waiting_for if beat and view.state == "ready" else None),
        "last_exit": _exit_object(view.last_exit, now, wall_s),
        "cpu_percent": None if usage is None else usage.cpu_percent,
        "memory": None if usage is None else usage.memory,
        "heartbeat_age": None if silence is None else round(max(0.0, silence), 3),
        "counters": {"loops": beat.loops, "errors": beat.errors, **beat.counters} if beat else {},
        "last_error": _last_error(view, beat, sources),
        "status_text": sources.status_text(view.id),
    }


def health_of(view: ChildView, beat: Beat | None) -> Health:
    """What the child says while it is ready; otherwise what its state means."""
    if view.state in {"parked", "held"}:
        return "critical"
    if view.state == "ready":
        return "healthy" if beat is None else beat.health
    return "degraded" if view.wanted else "healthy"


def worst(healths: Sequence[Health]) -> Health:
    """The worst of them; healthy when there are none."""
    return max(healths, key=lambda health: _WORSE[health], default="healthy")


def _exit_object(last: Ending | None, now: float, wall_s: float) -> dict[str, Any] | None:
    if last is None:
        return None
    return {
        "at": iso(wall_s - (now - last.at)),
        "code": last.status.code,
        "signal": last.status.signal,
        "reason": last.reason,
        "uptime": round(last.uptime, 3),
    }


def _last_error(view: ChildView, beat: Beat | None, sources: Sources) -> str | None:
    if view.state != "ready" and view.last_exit is not None:
        last = view.last_exit
        return last.detail or sources.last_word(view.id, last.incarnation)
    return None if beat is None else beat.last_error
