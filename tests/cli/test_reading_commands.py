"""logs and events: files in, lines out, with or without a root."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from protocol.codec import EVENTS
from protocol.journal import Journal
from protocol.messages.notice import SupervisionEvent
from tests.cli.conftest import FakeRoot, Shell


def log_line(second: int, process: str, message: str, level: str = "INFO") -> str:
    """Return a stored line."""
    at = f"2026-11-20T07:00:{second:02}.000Z"
    return json.dumps({"time": at, "level": level, "process": process, "message": message})


@pytest.fixture
def logs(root: FakeRoot) -> Path:
    """Logs of two processes and of all, of a root that has ended."""
    directory = root.state_dir / "log"
    directory.mkdir()
    feed = [log_line(1, "feed", "one"), log_line(3, "feed", "three", "ERROR")]
    broker = [log_line(2, "broker", "two")]
    for name, lines in (("feed", feed), ("broker", broker), ("system", [feed[0], broker[0], feed[1]])):
        (directory / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return directory


def shown(shell: Shell, *arguments: str) -> list[str]:
    """Run logs on the state directory; return the messages shown."""
    result = shell("logs", "--state-dir", str(shell.root.state_dir), "--json", *arguments)
    assert result.exit_code == 0, result.stderr
    return [json.loads(line)["message"] for line in result.stdout.splitlines()]


@pytest.mark.req("O4")
@pytest.mark.usefixtures("logs")
def test_logs_of_some_of_all_and_filtered(shell: Shell) -> None:
    """One name, several, none; the last n; a level; a pattern; a time."""
    assert shown(shell, "feed") == ["one", "three"]
    assert shown(shell, "feed", "broker") == ["one", "two", "three"]
    assert shown(shell) == ["one", "two", "three"]
    assert shown(shell, "-n", "1") == ["three"]
    assert shown(shell, "--level", "warning") == ["three"]
    assert shown(shell, "--grep", "tw|on") == ["one", "two"]
    assert shown(shell, "--since", "2026-11-20T07:00:02Z") == ["two", "three"]
    assert shown(shell, "--since", "1ms") == []


@pytest.mark.req("O4")
@pytest.mark.usefixtures("logs")
def test_logs_as_a_person_reads_them(shell: Shell) -> None:
    """Without --json: one readable line a record, the name in it."""
    (line,) = shell("logs", "broker", "--state-dir", str(shell.root.state_dir)).stdout.splitlines()

    assert line.split()[1:] == ["INFO", "broker", "two"]


@pytest.mark.req("O4")
@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fed"], 2, 'there is no log of "fed" (did you mean "feed"?)'),
        (["--grep", "("], 2, "no regular expression"),
        (["--since", "yesterday"], 2, "ISO 8601"),
        (["--level", "LOUD"], 2, "LOUD"),
    ],
)
def test_logs_refused(shell: Shell, arguments: list[str], code: int, said: str) -> None:
    """Unknown names are told with the nearest; patterns and times with what is allowed."""
    result = shell("logs", "--state-dir", str(shell.root.state_dir), *arguments)

    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


@pytest.mark.req("O4")
def test_logs_without_any(shell: Shell) -> None:
    """No logs, or no root ever known: a sentence, and 1 or 4."""
    assert shell("logs", "--state-dir", str(shell.root.state_dir)).exit_code == 1
    assert shell("logs").exit_code == 4


@pytest.mark.req("O4")
def test_logs_follow_until_interrupted(shell: Shell, logs: Path) -> None:
    """-f shows what comes, also in a new file, and Ctrl+C ends it with 0."""
    path = logs / "feed.jsonl"

    def four() -> None:
        path.write_text(path.read_text() + log_line(10, "feed", "four") + "\n")

    def five() -> None:
        path.rename(logs / "feed.20261120T070009.000000Z.jsonl")
        path.write_text(log_line(11, "feed", "five") + "\n")

    shell.moments = [four, five]
    assert shown(shell, "feed", "-f", "-n", "1") == ["three", "four", "five"]


@pytest.fixture
def journal(root: FakeRoot) -> list[SupervisionEvent]:
    """Events of a root that has ended."""
    events = [
        SupervisionEvent(event="root_started", pid=7, facts={"version": "0.1.0"}),
        SupervisionEvent(
            event="exited",
            child="feed",
            incarnation=2,
            pid=9,
            facts={"code": 1, "reason": "crashed", "seq": 99},
        ),
        SupervisionEvent(event="parked", child="feed", facts={"detail": "two words"}),
    ]
    made = Journal.open(root.state_dir / "events.db", stream="root")
    made.commit(bodies=[EVENTS.encode(event) for event in events], at_ms=1_795_158_000_123)
    made.close()
    return events


@pytest.mark.req("S11")
@pytest.mark.usefixtures("journal")
def test_events_as_json(shell: Shell) -> None:
    """JSON Lines with the fixed keys first and the facts after them; --since leaves out what is known."""
    result = shell("events", "--json", "--since", "1", "--state-dir", str(shell.root.state_dir))

    exited, parked = (json.loads(line) for line in result.stdout.splitlines())
    assert exited == {
        "seq": 2, "at": "2026-11-20T07:00:00.123Z", "event": "exited", "child": "feed", "incarnation": 2,
        "pid": 9, "code": 1, "reason": "crashed",
    }  # fmt: skip
    assert list(parked) == ["seq", "at", "event", "child", "incarnation", "pid", "detail"]


@pytest.mark.req("S11")
@pytest.mark.usefixtures("journal")
def test_events_as_a_person_reads_them(shell: Shell) -> None:
    """One line an event: number, time, child, what, facts."""
    result = shell("events", "--state-dir", str(shell.root.state_dir))
    first, second, third = (line.split() for line in result.stdout.splitlines())

    assert (first[0], first[3:]) == ("1", ["root", "root_started", "pid=7", "version=0.1.0"])
    assert second[3:] == ["feed", "exited", "incarnation=2", "pid=9", "code=1", "reason=crashed"]
    assert third[3:] == ["feed", "parked", 'detail="two', 'words"']


@pytest.mark.req("S11")
@pytest.mark.usefixtures("journal")
def test_events_follow_until_interrupted(shell: Shell) -> None:
    """-f shows what comes, and Ctrl+C ends it with 0."""

    def happen() -> None:
        with closing(Journal.open(shell.root.state_dir / "events.db", stream="root")) as journal:
            journal.commit(bodies=[EVENTS.encode(SupervisionEvent(event="root_stopped"))], at_ms=1)

    shell.moments = [happen]
    result = shell("events", "-f", "--json", "--since", "2", "--state-dir", str(shell.root.state_dir))

    assert result.exit_code == 0
    assert [json.loads(line)["event"] for line in result.stdout.splitlines()] == ["parked", "root_stopped"]


@pytest.mark.req("S11")
def test_events_without_any(shell: Shell) -> None:
    """No events: a sentence and 1; a file that is none of ours: a sentence and 1."""
    assert shell("events", "--state-dir", str(shell.root.state_dir)).exit_code == 1
    (shell.root.state_dir / "events.db").write_text("something else " * 100)
    result = shell("events", "--state-dir", str(shell.root.state_dir))

    assert (result.exit_code, result.stdout) == (1, "")
    assert "events.db" in result.stderr
