"""One report, three renderings."""

from __future__ import annotations

import pytest

from protocol.messages.notice import SupervisionEvent
from supervisor.engine.commands import Report
from supervisor.runtime.report import event_of, level_of, sentence_of


@pytest.mark.req("S11")
@pytest.mark.parametrize(
    ("report", "level", "sentence"),
    [
        (Report("ready", "feed", 1, 10), "INFO", "feed is ready"),
        (
            Report("exited", "feed", 1, 10, {"code": None, "signal": "SIGKILL", "reason": "killed"}),
            "ERROR",
            "feed ended: killed (SIGKILL)",
        ),
        (
            Report("exited", "feed", 1, 10, {"code": 0, "reason": "stopped"}),
            "INFO",
            "feed ended: stopped (code 0)",
        ),
        (
            Report("restarting", "feed", facts={"attempt": 2, "max_restarts": 20, "delay": 1.5}),
            "WARNING",
            "feed is restarted in 1.5 s (attempt 2 of 20)",
        ),
        (
            Report("restarting", "feed", facts={"attempt": 1, "max_restarts": 20, "delay": 0.0}),
            "WARNING",
            "feed is restarted now (attempt 1 of 20)",
        ),
    ],
)
def test_report_becomes_a_level_and_a_sentence(report: Report, level: str, sentence: str) -> None:
    """What a person reads."""
    event = event_of(report)

    assert (level_of(event), sentence_of(event)) == (level, sentence)


def test_event_without_its_facts_still_reads_as_a_sentence() -> None:
    """An old record that lacks a fact never breaks a reader."""
    assert "no attempt" in sentence_of(SupervisionEvent(event="restarting", child="feed"))
    assert sentence_of(SupervisionEvent(event="something_new", child="feed")) == "feed something_new"
