"""What a command needs and does not have: a working directory, an output, a readable journal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

PATIENCE = 60
SUPERVISOR = f"{sys.executable} -m supervisor"


def shell_script(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        ["sh", "-c", script], cwd=cwd, env=environ, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip


@pytest.mark.req("O5")
@pytest.mark.parametrize("command", ["status", "start", "check", "events"])
def test_a_removed_working_directory(tmp_path: Path, runtime_dir: Path, command: str) -> None:
    """One sentence and exit status 1."""
    gone = tmp_path / "gone"
    gone.mkdir()
    done = shell_script(f'rmdir "{gone}"; {SUPERVISOR} {command}', gone)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("supervisor: the working directory")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.req("O5")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_start_with_a_closed_output(tmp_path: Path, state_dir: Path, runtime_dir: Path, closed: str) -> None:
    """The tree runs and ends as with an output."""
    (tmp_path / "tree.toml").write_text('[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n')
    arguments = f'--config "{tmp_path}/tree.toml" --state-dir "{state_dir}" --duration 200ms'
    done = shell_script(f"{SUPERVISOR} start {arguments} {closed}", tmp_path)

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (state_dir / "log" / "root.jsonl").read_text()


@pytest.mark.req("O5")
@pytest.mark.parametrize("command", ["--help", "check", "tree"])
def test_a_full_output(tmp_path: Path, command: str) -> None:
    """One sentence and exit status 1, whichever command writes."""
    (tmp_path / "supervisor.toml").write_text('[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n')
    done = shell_script(f"{SUPERVISOR} {command} >/dev/full", tmp_path)

    assert (done.returncode, done.stderr) == (
        1,
        "supervisor: cannot write the output: No space left on device\n",
    )


@pytest.mark.req("O5")
@pytest.mark.parametrize("command", ["events", "why"])
def test_events_db_is_a_directory(shell: Shell, command: str) -> None:
    """A sentence that names it."""
    shell.write()
    (shell.cwd / "var" / "events.db").mkdir(parents=True)
    arguments = ["feed"] if command == "why" else []
    result = shell(command, *arguments, "--state-dir", "var")

    assert result.exit_code == 1
    assert "events.db" in result.stderr


@pytest.mark.req("O5")
@pytest.mark.parametrize("flag", [(), ("--preflight",)])
def test_a_state_directory_with_too_long_a_path(
    tmp_path: Path, runtime_dir: Path, flag: tuple[str, ...]
) -> None:
    """A sentence that says that it is too long, not the whole of it."""
    (tmp_path / "supervisor.toml").write_text('[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n')
    done = shell_script(f"{SUPERVISOR} start {' '.join(flag)} --state-dir {'d' * 5000}", tmp_path)

    assert done.returncode == 1
    assert "too long" in done.stderr
    assert len(done.stderr) < 400


@pytest.mark.req("O5")
@pytest.mark.parametrize("command", ["logs", "events"])
def test_a_reader_that_has_enough_was_a_failure(
    tmp_path: Path, state_dir: Path, runtime_dir: Path, command: str
) -> None:
    """Quiet, exit status 0."""
    (tmp_path / "tree.toml").write_text('[[child]]\nid = "one"\ncommand = ["sleep", "60"]\n')
    start = f'start --config "{tmp_path}/tree.toml" --duration 200ms'
    assert shell_script(f'{SUPERVISOR} {start} --state-dir "{state_dir}"', tmp_path).returncode == 0
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [*SUPERVISOR.split(), command, "--state-dir", str(state_dir)], cwd=Path(__file__).parents[2],
            stdout=writer, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)

    assert (done.returncode, done.stderr) == (0, "")
