"""What the root's status and its children's streams mean for the notifier. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from protocol.messages.stream import MarketRole, Role
from workers.notifier.wording import duration

_COMING: Final = {"starting", "backoff", "stopping"}
"""States after which a child may still say what its stream is."""

Status = Mapping[str, Any]


def workers_in(status: Status) -> list[dict[str, Any]]:
    """Return the children that are processes."""
    return [child for child in status.get("children", ()) if child.get("type") != "supervisor"]


def replays(status: Status, roles: Mapping[str, Role | None]) -> bool | None:
    """Whether the tree trades on a recording; None while that cannot be said yet."""
    if any(isinstance(role, MarketRole) and role.lockstep for role in roles.values()):
        return True
    children = workers_in(status)
    if not children or any(child["state"] in _COMING for child in children):
        return None
    return False


def described(status: Status) -> dict[str, str]:
    """Say of each child how it is, in a few words."""
    found = {}
    for child in workers_in(status):
        words = [str(child["state"])]
        if child.get("health") not in {None, "healthy"}:
            words.append(str(child["health"]))
        if child.get("restarts"):
            words.append(f"{child['restarts']} restarts")
        found[str(child["id"])] = " ".join(words)
    return found


def well(status: Status) -> bool:
    """Whether an outside monitor may think that all is well: the root runs, and nothing is critical."""
    root = status.get("root", {})
    return root.get("state") == "running" and root.get("health") in {"healthy", "degraded"}


def new_errors(before: Mapping[str, int], status: Status, *, but: str) -> list[tuple[str, str, int]]:
    """Return child, last error and number of the errors since ``before``; never of ``but``, the notifier."""
    found = []
    for child in workers_in(status):
        name, last = str(child["id"]), child.get("last_error")
        more = errors_in(child) - before.get(name, 0)
        if name != but and name in before and more > 0 and last and child["state"] == "ready":
            found.append((name, str(last), more))
    return found


def errors_in(child: Mapping[str, Any]) -> int:
    """Return how many errors a child has counted."""
    counted = child.get("counters", {}).get("errors")
    return counted if isinstance(counted, int) else 0


def status_text(status: Status) -> str:
    """Write the whole tree in lines."""
    root = status.get("root", {})
    head = (
        f"{root.get('state', 'unknown')}, {root.get('health', 'unknown')}, up {duration(root.get('uptime'))}"
    )
    return "\n".join([f"Tree {root.get('config', '')}: {head}", *map(_line, workers_in(status))])


def why_text(name: str, status: Status) -> str:
    """Say what became of a child: its state, its last end, what is next."""
    child = next((one for one in status.get("children", ()) if one.get("id") == name), None)
    if child is None:
        return unknown(name, status)
    lines = [_line(child)]
    if (last := child.get("last_exit")) is not None:
        how = last.get("signal") or f"code {last.get('code')}"
        lines.append(
            f"Last end: {last.get('reason')} ({how}) at {last.get('at')}, up {duration(last.get('uptime'))}"
        )
    if child.get("last_error"):
        lines.append(f"Last error: {child['last_error']}")
    if child.get("waiting_for"):
        lines.append(f"Waits for {child['waiting_for']}")
    if child.get("next_restart_in") is not None:
        lines.append(f"Next try in {duration(child['next_restart_in'])}")
    return "\n".join(lines)


def unknown(name: str, status: Status) -> str:
    """Say that there is no such child, and which there are."""
    names = ", ".join(str(child["id"]) for child in status.get("children", ())) or "none"
    return f"There is no child {name[:40]!r}; there are: {names}"


def _line(child: Mapping[str, Any]) -> str:
    parts: Sequence[str] = (
        f"{child['id']}: {child['state']}",
        str(child.get("health") or "unknown"),
        f"up {duration(child.get('uptime'))}" if child.get("uptime") is not None else "",
        f"{child['restarts']} restarts" if child.get("restarts") else "",
    )
    return ", ".join(part for part in parts if part)
