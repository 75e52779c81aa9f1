"""What happens next to a child, and when: one sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from supervisor.config.durations import format_duration

Step = Literal["runs", "start", "probe", "waits", "operator", "stops", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Prospect:
    """``what`` is to come: it goes on, a start, the probe of a held child, a wait for something, nothing
    before an operator acts, a stop, nothing. ``within`` seconds, where that is known."""

    what: Step
    within: float | None
    words: str


def prospect_with_root(child: Mapping[str, Any], root_state: str) -> Prospect:
    """What the running root will do; ``child`` is its object in the status."""
    if root_state == "stopping":
        return _of("stops", "the whole tree is being stopped; `supervisor start` starts it again")
    within = child["next_restart_in"]
    match child["state"]:
        case "ready":
            return _of("runs", "nothing to be done: it runs")
        case "starting":
            return _of("start", "it is being started right now")
        case "stopping":
            return _of("stops", "it is being stopped right now")
        case "backoff":
            return _backoff(child["waiting_for"], within)
        case _:
            return _down(child["id"], str(child["state"]), within)


def prospect_without_root(standing: str | None) -> Prospect:
    """What happens with no root running; ``standing`` is the last event about the child."""
    was = {"parked": "it was parked, and ", "held": "it was held, and "}.get(standing or "", "")
    return _of("operator", f"{was}no root is running: `supervisor start` starts it again, with all others")


def _backoff(waiting_for: str | None, within: float | None) -> Prospect:
    if waiting_for is not None:
        return _of("waits", f"it is started after {waiting_for}, which is waiting to be started itself")
    if within is None:
        return _of("start", "it is started again as soon as its turn comes")
    return _of("start", f"it is started again in {format_duration(within)}", within)


def _down(name: str, state: str, within: float | None) -> Prospect:
    match state:
        case "parked":
            return _of("operator", f"nothing, until somebody has looked: `supervisor restart {name}`")
        case "held":
            when = "" if within is None else f" in {format_duration(within)}"
            return _of(
                "probe", f"it is tried again{when}, or at once with `supervisor restart {name}`", within
            )
        case "stopped":
            return _of("operator", f"nothing, until somebody wants it: `supervisor start {name}`")
        case _:
            return _of("nothing", f"nothing: by its restart type it is not wanted back "
                                  f"(`supervisor start {name}` starts it all the same)")  # fmt: skip


def _of(what: Step, words: str, within: float | None = None) -> Prospect:
    return Prospect(what=what, within=within, words=words)
