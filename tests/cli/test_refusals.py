"""What the operating system refuses to a command: one sentence that names it, never a traceback."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import FakeRoot, Shell

PATIENCE_S = 60
NOT_UTF8 = os.fsdecode(b"st\xff")
TREE = '[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n'
ENVIRON = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def supervisor(*words: str, cwd: Path, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a command; ``before`` stands before it."""
    return subprocess.run(
        [*before, sys.executable, "-m", "supervisor", *words], cwd=cwd, env=ENVIRON,
        capture_output=True, timeout=PATIENCE_S, check=False, encoding="utf-8",
    )  # fmt: skip


def one_sentence(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The whole of what a command said, on stderr."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    return done.stderr


@pytest.fixture
def without_rights() -> tuple[str, ...]:
    """Words before a command that take away what the administrator may; none where that is nobody."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("the administrator may read everything here, and there is no setpriv")
    return ("setpriv", "--inh-caps=-all", "--bounding-set=-all")


@pytest.mark.req("O5")
@pytest.mark.usefixtures("runtime_dir")
@pytest.mark.parametrize("words", ["events", "logs one", "start", "init"])
def test_directory_of_somebody_else(tmp_path: Path, without_rights: tuple[str, ...], words: str) -> None:
    """Each was a traceback, and `logs` said that there was nothing."""
    (tmp_path / "tree.toml").write_text(TREE)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    where: tuple[str, ...] = ("--state-dir", str(closed / "state"), "--config", "tree.toml")
    where = (str(closed / "tree.toml"),) if words == "init" else where
    done = supervisor(*words.split(), *where, cwd=tmp_path, before=without_rights)

    assert str(closed) in one_sentence(done, 1)


@pytest.mark.req("O5")
@pytest.mark.parametrize("words", ["events", "logs one", "why one"])
def test_name_that_no_file_can_have(shell: Shell, words: str) -> None:
    """A traceback in the commands that read; `start` has a sentence of its own for it."""
    shell.write()
    done = shell(*words.split(), "--state-dir", "d" * 300)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith(": File name too long\n")


@pytest.mark.req("O5")
@pytest.mark.usefixtures("runtime_dir")
def test_few_file_descriptors(tmp_path: Path) -> None:
    """It was an abort of ZeroMQ, or "cannot use var: None; choose another --state-dir"."""
    (tmp_path / "supervisor.toml").write_text(TREE)

    done = supervisor("start", cwd=tmp_path, before=("sh", "-c", 'ulimit -n 16; exec "$@"', "sh"))
    assert "need 132 file descriptors, the hard limit is 16; raise it" in one_sentence(done, 1)


@pytest.mark.req("O5")
def test_argument_that_is_not_utf8(shell: Shell) -> None:
    """No message could carry it: a traceback, or a root that ran and never answered a status."""
    shell.write()
    done = shell("start", "--state-dir", NOT_UTF8)

    assert (done.exit_code, shell.runs) == (2, [])
    assert done.stderr.endswith("Error: the argument 'st\\udcff' is not UTF-8\n")


@pytest.mark.req("O3")
@pytest.mark.parametrize("option", ["--state-dir", "--config"])
def test_empty_option_names_nothing(shell: Shell, root: FakeRoot, option: str) -> None:
    """`stop --state-dir "$UNSET"` stopped whichever tree was running."""
    root.register()
    shell.write()
    done = shell("stop", option, "")

    assert (done.exit_code, root.asked) == (2, [])
    assert f"Invalid value for '{option}': it is empty" in done.stderr


@pytest.mark.req("O5")
@pytest.mark.parametrize("variable", ["SUPERVISOR_STATE_DIR", "SUPERVISOR__SUPERVISOR__PROBE"])
def test_variable_that_is_not_utf8(shell: Shell, variable: str) -> None:
    """A mistake in the configuration like any other."""
    shell.write()
    shell.environ[variable] = NOT_UTF8
    done = shell("start")

    assert (done.exit_code, shell.runs) == (2, [])
    assert "is not UTF-8" in done.stderr


@pytest.mark.req("O5")
def test_working_directory_that_is_not_utf8(shell: Shell) -> None:
    """The tree file is there and cannot be named."""
    shell.cwd /= NOT_UTF8
    shell.cwd.mkdir()
    shell.write()
    done = shell("start")

    assert (done.exit_code, shell.runs) == (2, [])
    assert "is not UTF-8" in done.stderr


@pytest.mark.req("O5")
@pytest.mark.usefixtures("runtime_dir")
def test_stderr_that_takes_nothing_does_not_change_the_exit_status(tmp_path: Path) -> None:
    """No root is 4 also where nobody can be told."""
    before = ("sh", "-c", 'exec "$@" 2>/dev/full', "sh")

    assert supervisor("status", "--state-dir", "none", cwd=tmp_path, before=before).returncode == 4


@pytest.mark.req("O5")
def test_reader_that_goes_ends_the_following_of_a_silent_log(tmp_path: Path) -> None:
    """`| head -1` went, and the command waited for something to say to it, for hours perhaps."""
    record = {"time": "2026-01-01T00:00:00.000Z", "level": "INFO", "process": "one", "message": "said"}
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "one.jsonl").write_text(json.dumps(record) + "\n")
    following = subprocess.Popen(
        [sys.executable, "-m", "supervisor", "logs", "one", "-f", "--state-dir", str(tmp_path)],
        cwd=tmp_path, env=ENVIRON, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert following.stdout is not None
        assert "said" in following.stdout.readline().decode()
        following.stdout.close()
        assert following.wait(PATIENCE_S) == 0
    finally:
        following.kill()


@pytest.mark.req("O5")
def test_reader_that_goes_ends_a_watched_status(shell: Shell, root: FakeRoot) -> None:
    """With exit status 0, as it does the other commands that go on; it was 1."""

    def gone() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    root.register()
    shell.write()
    shell.moments.append(gone)

    assert shell("status", "--watch").exit_code == 0
