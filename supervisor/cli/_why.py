"""The answer of ``supervisor why``: as an object, and as lines for a person. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from supervisor.cli._exitwords import how, in_words, reason_in_words
from supervisor.cli._prospect import Prospect
from supervisor.cli._story import LastExit, Pattern, Story
from supervisor.config.durations import format_duration

SCHEMA: Final = 1
_SHOWN_KINDS: Final = 4
_LOST: Final = (
    "the root itself ended without a word (killed, or the machine went down), and its children with it"
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that is known. ``status`` is the child's object in the status of the running root, if one runs."""

    name: str
    status: Mapping[str, Any] | None
    story: Story
    prospect: Prospect


def as_object(answer: Answer, log: list[Any]) -> dict[str, Any]:
    """Return the object of ``--json``; ``log`` is the last lines before the end."""
    story, status = answer.story, answer.status or {}
    last = None if story.last_exit is None else asdict(story.last_exit)
    return {
        "schema": SCHEMA,
        "child": answer.name,
        "root_running": answer.status is not None,
        "state": status.get("state"),
        "lost_with_root": story.lost_with_root,
        "last_exit": None if last is None else {**last, "words": _ending(story.last_exit)},
        "restarts": _restarts_object(answer),
        "pattern": None if story.pattern is None else asdict(story.pattern),
        "next": asdict(answer.prospect),
        "log": log,
    }


def as_lines(answer: Answer, now: datetime) -> Iterator[str]:
    """Yield the lines for a person, without the log."""
    yield f"{answer.name}: {_standing(answer)}"
    story = answer.story
    if story.lost_with_root:
        yield f"  last end    {_LOST}"
    if story.last_exit is None:
        if not story.lost_with_root:
            yield "  last exit   it has never ended"
    else:
        yield from _exit_lines(story.last_exit, now)
    yield f"  restarts    {_restarts(answer)}"
    if story.pattern is not None:
        yield f"  pattern     {pattern_in_words(story.pattern)}"
    yield f"  next        {answer.prospect.words}"


def pattern_in_words(pattern: Pattern) -> str:
    """How often it ended unasked, of what, how far apart, and after how long."""
    times = "once" if pattern.count == 1 else f"{pattern.count} times"
    kinds = [f"{count} x {kind}" for kind, count in list(pattern.kinds.items())[:_SHOWN_KINDS]]
    if len(pattern.kinds) > _SHOWN_KINDS:
        kinds.append("others")
    words = f"ended unasked {times} since {_local(pattern.first_at)}: {', '.join(kinds)}"
    if pattern.median_interval is not None:
        words += f"; {_intervals(pattern.median_interval, pattern.intervals)}"
    return f"{words}; after {format_duration(pattern.median_uptime)} of running"


def _intervals(middle: float, intervals: tuple[float, ...]) -> str:
    if len(intervals) == 1:
        return f"{format_duration(middle)} apart"
    shortest, longest = format_duration(min(intervals)), format_duration(max(intervals))
    return f"every {format_duration(middle)} (from {shortest} to {longest})"


def _standing(answer: Answer) -> str:
    if answer.status is None:
        return "no root is running"
    status = answer.status
    words = f"{status['state']}, {status['health']}"
    if status["pid"] is not None:
        words += f", pid {status['pid']}"
    return words if status["uptime"] is None else f"{words}, up {format_duration(status['uptime'])}"


def _exit_lines(last: LastExit, now: datetime) -> Iterator[str]:
    ago = max(0.0, (now.astimezone(UTC) - datetime.fromisoformat(last.at)).total_seconds())
    yield (
        f"  last exit   {_local(last.at)} ({format_duration(ago)} ago), after {format_duration(last.uptime)}"
    )
    yield f"  how         {_ending(last)}"
    if last.detail:
        first, *_ = last.detail.splitlines() or [""]
        yield f"  last word   {first}"
    yield f"  by          {last.by}"


def _ending(last: LastExit | None) -> str:
    if last is None:
        return ""
    facts = asdict(last)
    words = in_words(facts)
    told = f"{how(facts)}: {words}" if words else how(facts)
    reason = reason_in_words(last.reason)
    return told if reason in told else f"{reason} ({told})"


def _restarts_object(answer: Answer) -> dict[str, Any]:
    source: Mapping[str, Any] = answer.status or answer.story.restarting or {}
    return {
        "in_window": source.get("restarts_in_window"),
        "max_restarts": source.get("max_restarts"),
        "period": source.get("period"),
        "consecutive_failures": source.get("consecutive_failures"),
        "total": (answer.status or {}).get("restarts_total"),
    }


def _restarts(answer: Answer) -> str:
    facts = _restarts_object(answer)
    if facts["in_window"] is None:
        return "none"
    period = "" if facts["period"] is None else f" within {format_duration(facts['period'])}"
    words = f"{facts['in_window']} of {facts['max_restarts']}{period}"
    words += f", failures in a row: {facts['consecutive_failures']}"
    if answer.status is None:
        return f"{words}, when it was restarted last"
    return words if facts["total"] is None else f"{words}, {facts['total']} in all"


def _local(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
