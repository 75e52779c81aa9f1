"""One report of the engine, three renderings: the event that is kept, the log line, the sentence."""

from __future__ import annotations

from typing import Literal

from protocol.messages.notice import SupervisionEvent
from supervisor.engine.commands import Report

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_LEVELS: dict[str, Level] = {
    "spawned": "DEBUG",
    "hung": "ERROR",
    "restarting": "WARNING",
    "warning": "WARNING",
    "escalated": "ERROR",
    "parked": "CRITICAL",
    "held": "CRITICAL",
}


def event_of(report: Report) -> SupervisionEvent:
    """The event as it is kept in the journal and sent to the notifier."""
    return SupervisionEvent(
        event=report.event,
        child=report.child,
        incarnation=report.incarnation,
        pid=report.pid,
        facts=dict(report.facts),
    )


def level_of(event: SupervisionEvent) -> Level:
    """How loud the log line is."""
    if event.event == "exited" and event.facts.get("reason") not in {
        "normal",
        "stopped",
        "restarted",
        "max_runtime",
    }:
        return "ERROR"
    return _LEVELS.get(event.event, "INFO")


def sentence_of(event: SupervisionEvent) -> str:
    """What happened, for people."""
    facts = {"who": event.child or "the tree", "how": _how(event), "when": _when(event), **event.facts}
    template = _SENTENCES.get(event.event, "{who} {event}")
    return template.format_map(_Blank(event=event.event, **facts))


_SENTENCES = {
    "root_started": "root started with {config}",
    "root_stopped": "root stopped",
    "spawned": "{who} spawned",
    "ready": "{who} is ready",
    "exited": "{who} ended: {reason} ({how})",
    "restarting": "{who} is restarted {when} (attempt {attempt} of {max_restarts})",
    "hung": "{who} is hung: no beat for {silence} s",
    "parked": "{who} is parked ({reason}): it stays down until `supervisor restart {who}`",
    "held": "{who} is held: it failed too often and is tried every {probe} s",
    "escalated": "{who} failed too often: {to} gives up",
    "stop_asked": "stop of {who} was asked",
    "restart_asked": "restart of {who} was asked",
    "stopped": "{who} is stopped",
    "warning": "{who}: {what}",
    "reloaded": "the tree file was read again: {what}",
}


class _Blank(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"(no {key})"


def _when(event: SupervisionEvent) -> str:
    delay = event.facts.get("delay")
    return f"in {delay} s" if delay else "now"


def _how(event: SupervisionEvent) -> str:
    if event.facts.get("signal") is not None:
        oom = ", out of memory" if event.facts.get("oom") else ""
        return f"{event.facts['signal']}{oom}"
    if event.facts.get("code") is not None:
        return f"code {event.facts['code']}"
    return "no process"
