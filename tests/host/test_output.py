"""Real pipes into real files: captured, wrapped, kept for the exit report, and never in the way."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.host.console import Console
from supervisor.host.logfile import LogFile, Retention
from supervisor.host.output import Output
from tests.support.deadline import wait_until

PATIENCE = 20.0


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    """An output over an empty directory."""
    made = Output(tmp_path / "log", console=None, environ={"BOT_TOKEN": "s3cret-value"})
    yield made
    made.close(PATIENCE)


def stored(output: Output, name: str) -> list[dict[str, object]]:
    """Return the records of one log."""
    path = output.log_dir / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def messages(output: Output, name: str) -> list[object]:
    """Return the messages of one log."""
    return [record["message"] for record in stored(output, name)]


def attached(output: Output, child: str = "feed", incarnation: int = 1) -> int:
    """Attach a new pipe; return its write end."""
    read, write = os.pipe()
    output.attach(child, incarnation, read)
    return write


def say(output: Output, data: bytes, child: str = "feed", incarnation: int = 1) -> None:
    """Have a child say something and die, and its output settled."""
    write = attached(output, child, incarnation)
    os.write(write, data)
    os.close(write)
    assert output.settle(child, incarnation, PATIENCE)


@pytest.mark.req("H4")
def test_one_file_a_process_and_one_of_all(output: Output) -> None:
    """Records of workers are kept, other lines wrapped; all of it is in system.jsonl too."""
    say(output, b'\x1e{"level":"WARNING","message":"gap","n":1}\nplain text\nlast', "feed")
    say(output, b"hello\n", "broker")
    output.write({"level": "INFO", "message": "child exited", "code": 1})
    assert output.close(PATIENCE)

    warning, plain, last = stored(output, "feed")
    assert (warning["level"], warning["process"], warning["message"], warning["n"]) == (
        "WARNING",
        "feed",
        "gap",
        1,
    )
    assert (plain["level"], plain["message"], plain["stream"]) == ("INFO", "plain text", "output")
    assert last["message"] == "last"
    (own,) = stored(output, "root")
    assert (own["process"], own["code"]) == ("root", 1)
    assert messages(output, "system") == ["gap", "plain text", "last", "hello", "child exited"]


@pytest.mark.req("H4")
def test_settled_without_end_of_file(output: Output) -> None:
    """A grandchild that holds the pipe open does not keep the last words of the dead child back."""
    write = attached(output)
    os.write(write, b"half a line")

    assert output.settle("feed", 1, PATIENCE)
    assert output.last_lines("feed") == ("half a line",)
    os.write(write, b"the grandchild goes on\n")
    os.close(write)
    assert output.settle("feed", 1, PATIENCE)
    assert messages(output, "feed") == ["half a line", "the grandchild goes on"]


@pytest.mark.req("H4")
def test_what_is_heard_and_not_yet_in_its_file_is_not_settled(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child was told as parked while its last words were on their way to the disk: its log lacked them."""
    go_on, really = threading.Event(), LogFile.flush

    def flush(file: LogFile) -> bool:
        assert go_on.wait(PATIENCE)
        return really(file)

    monkeypatch.setattr(LogFile, "flush", flush)
    write = attached(output)
    os.write(write, b"and then it was over\n")
    os.close(write)
    wait_until(lambda: bool(output.last_lines("feed")), what="the reader")
    settled_before = output.is_settled("feed", 1)
    go_on.set()
    wait_until(lambda: output.is_settled("feed", 1), what="the file")

    assert not settled_before
    assert messages(output, "feed") == ["and then it was over"]


@pytest.mark.req("H4")
def test_settling_what_was_never_attached(output: Output) -> None:
    """A child without a pipe is settled at once, and so is any after the end."""
    assert output.settle("nobody", 7, PATIENCE)
    output.close(PATIENCE)
    assert output.settle("nobody", 7, PATIENCE)


@pytest.mark.req("S11")
def test_last_lines(output: Output) -> None:
    """The last twenty lines of a child are at hand, over its incarnations."""
    say(output, b"".join(b"line %d\n" % n for n in range(30)))
    say(
        output,
        b'\x1e{"level":"ERROR","message":"bad","exception":"Traceback\\nValueError: x"}\n',
        incarnation=2,
    )

    assert output.last_lines("feed")[-4:] == ("line 29", "ERROR bad", "Traceback", "ValueError: x")
    assert len(output.last_lines("feed")) == 20
    output.forget("feed")
    assert output.last_lines("feed") == ()


TRACEBACK = b"""Traceback (most recent call last):
  File "x.py", line 1, in <module>
    boom()

ValueError: first

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "x.py", line 3, in <module>
KeyError: 'second'
and some more
"""


@pytest.mark.req("S11")
@pytest.mark.parametrize(
    ("said", "word"),
    [
        (b"all is well\n", None),
        (TRACEBACK, "KeyError: 'second'"),
        (
            b'\x1e{"level":"CRITICAL","message":"no champion"}\n\x1e{"level":"INFO","message":"bye"}\n',
            "no champion",
        ),
        (
            b'\x1e{"level":"ERROR","message":"failed","exception":"T\\nValueError: 3"}\n',
            "failed: ValueError: 3",
        ),
        (
            b"Fatal Python error: Segmentation fault\n\nCurrent thread 0x1:\n",
            "Fatal Python error: Segmentation fault",
        ),
    ],
)
def test_last_word(output: Output, said: bytes, word: str | None) -> None:
    """The last error a child told, by itself or by its traceback, goes with its exit."""
    say(output, said)

    assert output.last_word("feed", 1) == word
    assert output.last_word("feed", 2) is None


@pytest.mark.req("H4")
def test_secrets_are_masked_everywhere(output: Output) -> None:
    """A secret in plain output, in a record or in the root's own words is never written nor remembered."""
    say(output, b'token s3cret-value\n\x1e{"level":"ERROR","message":"url /bots3cret-value/x"}\n')
    output.write({"message": "s3cret-value", "s3cret-value": 1})
    output.close(PATIENCE)

    assert messages(output, "feed") == ["token ***", "url /bot***/x"]
    assert output.last_word("feed", 1) == "url /bot***/x"
    assert not [path for path in output.log_dir.iterdir() if b"s3cret-value" in path.read_bytes()]


@pytest.mark.req("H4")
def test_a_real_child_that_floods(output: Output) -> None:
    """A child that writes megabytes of bad bytes and endless lines is never blocked."""
    read, write = os.pipe()
    code = (
        "import sys; out = sys.stdout.buffer\n"
        "out.write(b'x' * 3_000_000 + b'\\n')\n"
        "for n in range(20000): out.write(b'\\xff\\x00 line %d\\n' % n)\n"
    )
    output.attach("feed", 1, read)
    child = subprocess.Popen([sys.executable, "-c", code], stdout=write)
    os.close(write)

    assert child.wait(PATIENCE) == 0
    assert output.settle("feed", 1, PATIENCE)
    # More than one settling may hold is read in the turns after it; closing drains the rest.
    assert output.close(PATIENCE)
    assert len(stored(output, "feed")) == 20001
    assert messages(output, "feed")[-1] == "�\x00 line 19999"


@pytest.mark.req("H4")
def test_rotation_over_a_flood_loses_nothing(tmp_path: Path) -> None:
    """Rotation happens between lines; all files together hold all lines."""
    output = Output(tmp_path, console=None, retention=Retention(max_bytes=2000, keep_files=1000), environ={})
    for turn in range(20):
        say(output, b"".join(b"%d\n" % (turn * 50 + n) for n in range(50)), incarnation=turn)
    output.close(PATIENCE)
    files = [*sorted(tmp_path.glob("feed.2*.jsonl")), tmp_path / "feed.jsonl"]
    lines = [json.loads(line)["message"] for file in files for line in file.read_text().splitlines()]

    assert len(files) > 5
    assert lines == [str(n) for n in range(1000)]


@pytest.mark.req("H4")
def test_unwritable_directory_stops_nobody(tmp_path: Path) -> None:
    """Without a place for logs children run on; drops are counted, last words kept."""
    (tmp_path / "log").write_text("in the way")
    output = Output(tmp_path / "log", console=None, environ={})
    say(output, b"one\ntwo\n")

    assert output.last_lines("feed") == ("one", "two")
    assert output.dropped == {"feed": 2, "system": 2}
    output.close(PATIENCE)


@pytest.mark.req("H4")
def test_console_gets_everything(tmp_path: Path) -> None:
    """The terminal shows what the files hold."""
    stream = io.StringIO()
    output = Output(tmp_path, console=Console(stream), environ={})
    say(output, b"hello\n")
    output.write({"message": "from the root"})

    assert output.close(PATIENCE)
    assert "feed       hello" in stream.getvalue()
    assert "root       from the root" in stream.getvalue()


@pytest.mark.req("H4")
def test_a_failing_callback_does_not_end_the_reader(output: Output) -> None:
    """A defect on the reader's thread is logged, and reading goes on: else all children would block."""

    def fail() -> None:
        raise RuntimeError("defect")

    output.when_settled("feed", 1, fail)
    say(output, b"still here\n")
    output.close(PATIENCE)

    assert messages(output, "feed") == ["still here"]
    assert "RuntimeError: defect" in str(stored(output, "root")[0]["exception"])


@pytest.mark.req("X1")
def test_nothing_is_left_after_many_incarnations(tmp_path: Path) -> None:
    """A hundred children later the same descriptors and threads are there as before."""
    before = set(Path("/proc/self/fd").iterdir()), threading.active_count()
    output = Output(tmp_path, console=None, environ={})
    for incarnation in range(100):
        say(output, b"x\n", incarnation=incarnation)
    held = attached(output, incarnation=100)
    output.close(PATIENCE)
    os.close(held)

    assert (set(Path("/proc/self/fd").iterdir()), threading.active_count()) == before


@pytest.mark.req("H4")
def test_what_is_left_at_the_end_is_stored_although_somebody_who_waited_fails(output: Output) -> None:
    """The thread ended with a traceback on the terminal; later lines and its descriptors were lost."""

    begun = threading.Event()

    def hold_until_the_close() -> None:
        begun.set()
        wait_until(lambda: output._closed, what="the close")

    def fail() -> None:
        raise RuntimeError("defect of who waited")

    write = attached(output)
    output.when_settled("other", 1, hold_until_the_close)
    assert begun.wait(PATIENCE)
    output.when_settled("other", 1, fail)
    output.write({"message": "after it", "level": "INFO"})
    os.write(write, b"last line\n")
    os.close(write)

    assert output.close(PATIENCE)
    assert ["log reader stumbled", "after it"] == messages(output, "root")
    assert ["last line"] == messages(output, "feed")
