"""What the events tell of a child: pure, from events written down here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.cli._exitwords import in_words, reason_in_words
from supervisor.cli._history import Event
from supervisor.cli._prospect import prospect_with_root, prospect_without_root
from supervisor.cli._story import Story, tell_story
from supervisor.cli._why import Answer, as_lines, as_object, pattern_in_words
from tests.cli.conftest import child

BEGIN = datetime(2026, 11, 20, 7, tzinfo=UTC)
KINDS = [
    "root_started",
    "root_stopped",
    "spawned",
    "ready",
    "exited",
    "restarting",
    "stop_asked",
    "escalated",
]
REASONS = ["normal", "crashed", "killed", "hung", "stopped", "restarted", "memory", "odd"]


def history(*told: tuple[str, str | None] | tuple[str, str | None, dict[str, Any]]) -> list[Event]:
    """Make events, one a second, of (event, child, facts)."""
    events = []
    for index, (kind, name, *facts) in enumerate(told):
        at = (BEGIN + timedelta(seconds=index)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fixed = {"seq": index + 1, "at": at, "event": kind, "child": name, "incarnation": None, "pid": None}
        events.append({**fixed, **(facts[0] if facts else {})})
    return events


def ended(reason: str, **facts: Any) -> dict[str, Any]:
    """Return the facts of an exited event."""
    return {"code": None, "signal": None, "reason": reason, "uptime": 1.0, "detail": None, **facts}


def story(*told: Any, root_runs: bool = True) -> Story:
    """Tell the story of the feed."""
    return tell_story("feed", history(*told), root_runs=root_runs)


BORN = ("spawned", "feed")


@pytest.mark.req("H1")
@pytest.mark.parametrize(
    ("told", "by"),
    [
        (
            [("stop_asked", "feed"), ("exited", "feed", ended("stopped"))],
            "an operator (`supervisor stop feed`)",
        ),
        (
            [("restart_asked", "feed"), ("exited", "feed", ended("restarted"))],
            "an operator (`supervisor restart feed`)",
        ),
        (
            [("stop_asked", None, {"by": "operator"}), ("exited", "feed", ended("stopped"))],
            "supervisor stop`)",
        ),
        ([("stop_asked", None, {"by": "SIGINT"}), ("exited", "feed", ended("stopped"))], "Ctrl+C"),
        ([("stop_asked", None, {"by": "--duration"}), ("exited", "feed", ended("stopped"))], "--duration"),
        ([("stop_asked", None, {"by": "broker"}), ("exited", "feed", ended("stopped"))], "broker, which had"),
        ([("stop_asked", None), ("exited", "feed", ended("stopped"))], "a stop of the whole tree"),
        (
            [("reloaded", "root", {"changed": ["feed"]}), ("exited", "feed", ended("restarted"))],
            "`supervisor reload`",
        ),
        (
            [("reloaded", "root", {"removed": ["web"]}), ("exited", "feed", ended("restarted"))],
            "its supervisor",
        ),
        ([("stop_asked", "broker"), ("exited", "feed", ended("stopped"))], "its supervisor"),
        ([("escalated", "broker"), ("exited", "feed", ended("stopped"))], "gave up because of broker"),
        (
            [("exited", "broker", ended("crashed", code=1)), ("exited", "feed", ended("restarted"))],
            "when broker failed (crashed)",
        ),
        ([("exited", "feed", ended("killed", signal="SIGKILL"))], "somebody outside"),
        ([("exited", "feed", ended("killed", signal="SIGKILL", oom=True))], "the kernel"),
        ([("exited", "feed", ended("crashed", code=1))], "nobody: it ended by itself"),
        ([("hung", "feed", {"silence": 5.2}), ("exited", "feed", ended("hung"))], "no heartbeat for 5.2 s"),
        (
            [("warning", "feed", {"what": "", "memory": 9, "limit": 8}), ("exited", "feed", ended("memory"))],
            "it held 9 bytes, its limit is 8",
        ),
        ([("exited", "feed", ended("max_runtime", code=0))], "max_runtime"),
        ([("exited", "feed", ended("start_timeout"))], "ready_timeout"),
        ([("exited", "feed", ended("forkserver", code=255))], "forkserver"),
    ],
)
def test_who_brought_the_end_about(told: list[Any], by: str) -> None:
    """Operator, signal, limit, neighbour, kernel, or nobody; what came before the birth does not count."""
    last = story(("stop_asked", "feed"), ("exited", "feed", ended("stopped")), BORN, *told).last_exit

    assert last is not None
    assert by in last.by


@pytest.mark.req("H1")
def test_the_pattern_of_failures() -> None:
    """How often, how far apart, mostly of what; ends that somebody asked for are no failures."""
    told = story(
        ("exited", "feed", ended("crashed", code=1)),
        ("exited", "broker", ended("killed", signal="SIGKILL")),
        ("exited", "feed", ended("stopped", code=0)),
        ("exited", "feed", ended("crashed", code=1, uptime=3.0)),
        ("exited", "feed", ended("killed", signal="SIGKILL", oom=True, uptime=2.0)),
    )

    pattern = told.pattern
    assert pattern is not None
    assert (pattern.count, pattern.intervals, pattern.median_uptime) == (3, (3.0, 1.0), 2.0)
    assert pattern.kinds == {"crashed (code 1)": 2, "killed, out of memory": 1}
    words = pattern_in_words(pattern)
    assert words.startswith("ended unasked 3 times since ")
    assert ": 2 x crashed (code 1), 1 x killed, out of memory; every 2.0s (from 1.0s to 3.0s)" in words
    assert words.endswith("; after 2.0s of running")
    assert story(("exited", "feed", ended("stopped"))).pattern is None


@pytest.mark.req("H1")
@pytest.mark.parametrize(
    ("told", "root_runs", "lost"),
    [
        ([BORN], True, False),
        ([BORN], False, True),
        ([BORN, ("root_started", None)], True, True),
        ([BORN, ("root_started", None), BORN], True, True),
        ([BORN, ("root_started", None), BORN, ("exited", "feed", ended("crashed"))], True, False),
        ([BORN, ("root_stopped", None)], False, False),
        ([BORN, ("exited", "feed", ended("stopped")), ("root_stopped", None)], False, False),
        ([BORN, ("root_started", None), ("spawned", "broker")], True, True),
    ],
)
def test_a_root_that_was_lost(told: list[Any], root_runs: bool, lost: bool) -> None:
    """An incarnation whose end nobody recorded went down with its root."""
    assert story(("root_started", None), *told, root_runs=root_runs).lost_with_root is lost


@pytest.mark.req("H1")
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (ended("crashed", code=127), "command not found"),
        (ended("config", code=78), "a person must look"),
        (ended("crashed", code=137), "ended by signal 9"),
        (ended("crashed", code=42), "a code of its own"),
        (ended("killed", signal="SIGKILL"), "for lack of memory"),
        (ended("killed", signal="SIGKILL", oom=True), "memory ran out"),
        (ended("killed", signal="SIGSEGV"), "memory error of its own"),
        (ended("killed", signal="SIGRTMIN+3"), "a signal"),
        (ended("stopped", signal="SIGTERM"), "the root's request"),
        (ended("hung", signal="SIGKILL"), "killed by the root"),
        (ended("start_failed"), ""),
    ],
)
def test_codes_and_signals_in_words(facts: dict[str, Any], words: str) -> None:
    """Each code and signal says what it means here, which depends on who asked."""
    assert words in in_words(facts)


@pytest.mark.req("H1")
@pytest.mark.parametrize(
    ("facts", "what", "within", "words"),
    [
        ({"state": "ready"}, "runs", None, "it runs"),
        ({"state": "starting"}, "start", None, "right now"),
        ({"state": "stopping"}, "stops", None, "right now"),
        ({"state": "backoff", "next_restart_in": 12.0}, "start", 12.0, "started again in 12s"),
        ({"state": "backoff"}, "start", None, "as soon as"),
        ({"state": "backoff", "waiting_for": "broker"}, "waits", None, "after broker"),
        ({"state": "parked"}, "operator", None, "supervisor restart feed"),
        ({"state": "held", "next_restart_in": 90.0}, "probe", 90.0, "in 1m 30s"),
        ({"state": "stopped"}, "operator", None, "supervisor start feed"),
        ({"state": "down"}, "nothing", None, "not wanted back"),
    ],
)
def test_what_happens_next(facts: dict[str, Any], what: str, within: float | None, words: str) -> None:
    """For every state: what, when, and what an operator can do."""
    prospect = prospect_with_root(child("feed", **facts), "running")

    assert (prospect.what, prospect.within) == (what, within)
    assert words in prospect.words


@pytest.mark.req("H1")
def test_what_happens_next_without_a_running_tree() -> None:
    """A tree that stops starts nothing; without a root somebody must start it."""
    assert prospect_with_root(child("feed", state="backoff"), "stopping").what == "stops"
    assert "it was parked" in prospect_without_root("parked").words
    assert "supervisor start" in prospect_without_root(None).words


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KINDS), st.sampled_from(["feed", "broker", None]), st.sampled_from(REASONS)
        ).map(lambda t: (t[0], "feed" if t[0] == "exited" else t[1], ended(t[2], code=1))),
        max_size=20,
    ),
    st.booleans(),
)
def test_every_history_has_an_explanation(told: list[Any], root_runs: bool) -> None:
    """Whatever the order of events, also with a beginning that was pruned: lines and an object, no error."""
    answer = Answer(
        name="feed",
        status=child("feed") if root_runs else None,
        story=story(*told, root_runs=root_runs),
        prospect=prospect_without_root(None),
    )

    assert next(iter(as_lines(answer, BEGIN))).startswith("feed: ")
    assert as_object(answer, [])["child"] == "feed"


def test_an_unknown_reason_is_shown_as_it_is() -> None:
    """A root of a later release may know more reasons."""
    assert reason_in_words("eclipse") == "eclipse"
