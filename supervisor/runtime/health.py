"""The health of the whole tree in few words: the regular line in the log, and the status for systemd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from supervisor.engine.view import ChildView

HEALTH = "health"
"""The message of the regular line; its name is fixed, for those who grep."""
_MOST_NAMED = 5


def health_level(status: Mapping[str, Any]) -> Literal["INFO", "WARNING"]:
    """How loud the regular line is; what is critical has been said aloud when it happened."""
    return "INFO" if status["root"]["health"] == "healthy" else "WARNING"


def health_facts(status: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the regular line, from the status object: the root, and each child that is not well."""
    root, children = status["root"], status["children"]
    return {
        "health": root["health"],
        "uptime": root["uptime"],
        "children": len(_workers(children)),
        "restarts": sum(child["restarts"] for child in children),
        "unwell": {child["id"]: _ailment(child) for child in children if child["health"] != "healthy"},
    }


def status_line(views: Sequence[ChildView]) -> str:
    """One line on the whole tree: how many are ready, and what the others are."""
    workers = [view for view in views if view.type == "worker" and view.wanted]
    others = [view for view in workers if view.state != "ready"]
    line = f"{len(workers) - len(others)} of {len(workers)} children ready"
    named = [f"{view.id} {view.state}" for view in others[:_MOST_NAMED]]
    if len(others) > _MOST_NAMED:
        named.append(f"and {len(others) - _MOST_NAMED} more")
    return f"{line}; {', '.join(named)}" if named else line


def _workers(children: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [child for child in children if child["type"] == "worker"]


def _ailment(child: Mapping[str, Any]) -> str:
    """One short fact about a child that is not well."""
    if child["state"] != "ready":
        last = child["last_exit"]
        return child["state"] if last is None else f"{child['state']}: {last['reason']}"
    if child["waiting_for"]:
        return f"waiting for {child['waiting_for']}"
    return child["last_error"] or str(child["health"])
