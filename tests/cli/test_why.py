"""supervisor why: events, log and status in, an explanation out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.codec import EVENTS
from protocol.journal import Journal
from protocol.messages.notice import SupervisionEvent
from tests.cli.conftest import FakeRoot, Shell, child

AT_MS = 1_795_158_000_000
OOM = {
    "code": None,
    "signal": "SIGKILL",
    "reason": "killed",
    "uptime": 4.2,
    "detail": "last word",
    "oom": True,
}
RESTARTING = {"attempt": 2, "max_restarts": 20, "restarts_in_window": 2, "consecutive_failures": 1}


@pytest.fixture
def kept(root: FakeRoot) -> Path:
    """A child that was killed, its log with lines before and after that, and one that never ended."""
    events = [
        SupervisionEvent(event="root_started", pid=7),
        SupervisionEvent(event="spawned", child="feed", incarnation=1, pid=9),
        SupervisionEvent(event="spawned", child="broker", incarnation=1, pid=10),
        SupervisionEvent(event="exited", child="feed", incarnation=1, pid=9, facts=OOM),
        SupervisionEvent(event="restarting", child="feed", facts=RESTARTING),
        SupervisionEvent(event="root_stopped"),
    ]
    journal = Journal.open(root.state_dir / "events.db", stream="root")
    journal.commit(bodies=[EVENTS.encode(event) for event in events], at_ms=AT_MS)
    journal.close()
    log = root.state_dir / "log"
    log.mkdir()
    lines = [(f"2026-11-20T06:59:{second:02}.000Z", f"line {second}") for second in range(30)]
    lines.append(("2026-11-20T07:00:01.000Z", "a new life"))
    text = [json.dumps({"time": at, "level": "INFO", "process": "feed", "message": m}) for at, m in lines]
    (log / "feed.jsonl").write_text("\n".join(text) + "\n")
    return root.state_dir


def why(shell: Shell, state_dir: Path, name: str = "feed") -> dict[str, Any]:
    """Ask for the object."""
    result = shell("why", name, "--json", "--state-dir", str(state_dir))
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout))


@pytest.mark.req("H1", "S11")
def test_from_disk_alone(shell: Shell, kept: Path) -> None:
    """With no root: the end, the kernel's part in it, restarts, the 20 lines before it, what comes next."""
    told = why(shell, kept)

    assert told["root_running"] is False
    assert told["last_exit"]["signal"] == "SIGKILL"
    assert told["last_exit"]["oom"] is True
    assert "memory ran out" in told["last_exit"]["words"]
    assert (told["last_exit"]["uptime"], told["last_exit"]["detail"]) == (4.2, "last word")
    assert (told["restarts"]["in_window"], told["restarts"]["max_restarts"]) == (2, 20)
    assert [line["message"] for line in told["log"]] == [f"line {second}" for second in range(10, 30)]
    assert told["next"]["what"] == "operator"


@pytest.mark.req("H1")
def test_with_a_running_root(shell: Shell, kept: Path, root: FakeRoot) -> None:
    """The root adds the state, the counters, and when the next try is."""
    root.register()
    root.children = [child("feed", state="backoff", pid=None, uptime=None, next_restart_in=12.0)]
    told = why(shell, kept)

    assert (told["root_running"], told["state"]) == (True, "backoff")
    assert (told["next"]["what"], told["next"]["within"]) == ("start", 12.0)
    assert told["restarts"]["total"] == 9


@pytest.mark.req("H1")
def test_as_a_person_reads_it(shell: Shell, kept: Path) -> None:
    """One fact a line, then the log."""
    result = shell("why", "feed", "--state-dir", str(kept))
    lines = result.stdout.splitlines()

    assert lines[0] == "feed: no root is running"
    starts = [line.split()[0] for line in lines[1:8]]
    assert starts == ["last", "how", "last", "by", "restarts", "pattern", "next"]
    assert lines[8] == "its last lines before that:"
    assert lines[-1].endswith("line 29")


@pytest.mark.req("H1")
def test_a_child_that_never_ended(shell: Shell, kept: Path, root: FakeRoot) -> None:
    """Nothing is made up."""
    root.register()
    root.children = [child("broker")]
    result = shell("why", "broker", "--state-dir", str(kept))

    assert "it has never ended" in result.stdout
    assert "its log is empty" in result.stdout
    assert why(shell, kept, "broker")["last_exit"] is None


@pytest.mark.req("H1")
def test_refused(shell: Shell, kept: Path, tmp_path: Path) -> None:
    """An unknown name: 2 and the nearest; no events: 1; nothing known at all: 4; a damaged file: 1."""
    unknown = shell("why", "fed", "--state-dir", str(kept))
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert 'did you mean "feed"?' in unknown.stderr
    assert shell("why", "feed", "--state-dir", str(tmp_path)).exit_code == 1
    assert shell("why", "feed").exit_code == 4
    (kept / "events.db").write_text("something else " * 100)

    assert shell("why", "feed", "--state-dir", str(kept)).exit_code == 1


@pytest.mark.req("H1")
def test_a_child_that_left_the_tree(shell: Shell, kept: Path, root: FakeRoot) -> None:
    """Its past is told, and that nothing comes next."""
    root.register()
    root.children = [child("broker")]

    assert why(shell, kept)["next"]["what"] == "nothing"


@pytest.mark.req("H1")
def test_a_root_that_does_not_answer(shell: Shell, kept: Path, root: FakeRoot) -> None:
    """Exit 5, as with the other commands."""
    root.register()
    root.silent = 1

    assert shell("why", "feed", "--state-dir", str(kept)).exit_code == 5
