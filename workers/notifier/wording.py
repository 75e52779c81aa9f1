"""From events of the tree to what is told of them. Pure; None where there is nothing to tell a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocol.messages.notice import SupervisionEvent
from workers.notifier.message import Told
from workers.notifier.repeats import alike

Facts = dict[str, Any]
Fields = dict[str, str]


def of_event(event: SupervisionEvent, at_ms: int) -> Told | None:
    """Tell what happened to the tree; ``at_ms`` is the time of its record."""
    words = _EVENTS.get(event.event)
    if words is None:
        return None
    facts = dict(event.facts)
    fields = {"child": event.child or "the tree", **words(facts)}
    same = _ALIKE.get(event.event)
    return Told(
        kind=event.event,
        at_ms=at_ms,
        fields=fields,
        alike=None if same is None else alike(event.event, event.child, facts.get(same)),
    )


def duration(seconds: object) -> str:
    """Write a number of seconds in its two largest units: ``2h 5m``, ``4.2s``."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return "unknown"
    if seconds < 60:
        return f"{round(seconds, 1):g}s"
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = ((days, "d"), (hours, "h"), (minutes, "m"), (left, "s"))
    return " ".join([f"{count}{unit}" for count, unit in units if count][:2])


def _text(value: object, default: str = "unknown") -> str:
    return default if value is None or value == "" else str(value)


def _nothing(_facts: Facts) -> Fields:
    return {}


def _started(facts: Facts) -> Fields:
    return {"config": _text(facts.get("config"), "an unnamed tree"), "version": _text(facts.get("version"))}


def _restarting(facts: Facts) -> Fields:
    delay = facts.get("delay")
    return {
        "reason": _text(facts.get("reason"), "unknown reason"),
        "attempt": _text(facts.get("attempt"), "?"),
        "max_restarts": _text(facts.get("max_restarts"), "?"),
        "consecutive_failures": _text(facts.get("consecutive_failures"), "?"),
        "uptime": duration(facts.get("uptime")),
        "next_try": f"in {duration(delay)}" if delay else "now",
    }


def _parked(facts: Facts) -> Fields:
    return {"reason": _text(facts.get("detail") or facts.get("reason"), "it failed too often")}


def _held(facts: Facts) -> Fields:
    return {**_parked(facts), "probe": duration(facts.get("probe"))}


def _warning(facts: Facts) -> Fields:
    rest = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "what")
    return {"what": _text(facts.get("what"), "warning") + (f" ({rest})" if rest else "")}


_EVENTS: Final[dict[str, Callable[[Facts], Fields]]] = {
    "root_started": _started,
    "root_stopped": _nothing,
    "ready": _nothing,
    "stopped": _nothing,
    "stop_asked": lambda facts: {"by": _text(facts.get("by"), "an operator")},
    "restart_asked": _nothing,
    "reloaded": lambda facts: {"what": _text(facts.get("what"), "done")},
    "restarting": _restarting,
    "hung": lambda facts: {"silence": duration(facts.get("silence"))},
    "warning": _warning,
    "parked": _parked,
    "held": _held,
    "escalated": lambda facts: {"to": _text(facts.get("to"), "its group")},
}
_ALIKE: Final = {"restarting": "reason", "hung": "what", "warning": "what"}
"""The events that may repeat themselves, and the fact that makes two of them alike."""
