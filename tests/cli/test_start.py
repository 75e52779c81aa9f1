"""start, check, tree and init: from a file to a tree, or to a sentence and an exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.cli._detach import background_arguments, patience, wait_until_ready
from supervisor.cli._failure import Failure
from supervisor.config import ConfigError, workers
from supervisor.config.errors import Problem
from tests.cli.conftest import TREE, Shell

PATIENCE = 20.0
PROJECT = Path(__file__).parents[2]


@pytest.mark.req("O1")
def test_start_runs_the_checked_tree(shell: Shell) -> None:
    """The tree, the limits of this run and the exit status of the run go through."""
    shell.write()
    shell.run_code = 1
    result = shell(
        "start", "--paper", "--duration", "1h", "--max-restarts", "3", "--restart-delay", "2s",
        "--set", "feed.shutdown=9s", "--state-dir", "elsewhere",
    )  # fmt: skip
    ((tree, options),) = shell.runs
    (worker,) = workers(tree.root)

    assert result.exit_code == 1
    assert (options.duration, options.max_restarts, options.detached, options.announce) == (
        3600.0,
        3,
        False,
        None,
    )
    assert (worker.program.config["mode"], worker.backoff.initial, worker.shutdown) == ("paper", 2.0, 9.0)
    assert tree.state_dir == shell.cwd / "elsewhere"


@pytest.mark.req("O1")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--dry-run", "--live"],
        ["--paper", "--live"],
        ["--infinite", "--duration", "1h"],
        ["--infinite", "--max-restarts", "1"],
        ["--duration", "soon"],
        ["--only", ","],
        ["--only", "fed"],
        ["--set", "feed.restart=maybe"],
        ["--config", "nowhere.toml"],
    ],
)
def test_refused_before_anything_starts(shell: Shell, arguments: list[str]) -> None:
    """Options that contradict each other or the tree: exit status 2, a sentence, nothing started."""
    shell.write()
    result = shell("start", *arguments)

    assert (result.exit_code, result.stdout, shell.runs) == (2, "", [])
    assert result.stderr


@pytest.mark.req("S12")
def test_unimportable_start(shell: Shell) -> None:
    """A worker that cannot be imported: exit status 2, one sentence, nothing started."""
    shell.write('[[child]]\nid = "feed"\nstart = "no_such_module:main"')
    result = shell("start")

    assert (result.exit_code, shell.runs) == (2, [])
    assert "ModuleNotFoundError: No module named 'no_such_module'" in result.stderr


@pytest.mark.req("O1")
def test_detach_needs_a_named_tree(shell: Shell) -> None:
    """--detach never falls back to the demo."""
    result = shell("start", "--detach")

    assert (result.exit_code, shell.runs) == (2, [])


@pytest.mark.req("O1")
def test_preflight_checks_and_starts_nothing(shell: Shell) -> None:
    """--preflight tells what is good; a program that is not there or a bad place for state is told."""
    shell.write()
    assert shell("start", "--preflight").exit_code == 0
    (shell.cwd / "file").write_text("")
    assert shell("start", "--preflight", "--state-dir", "file").exit_code == 1
    shell.write(TREE.replace("sleep", "no-such-program"))
    result = shell("start", "--preflight")

    assert (result.exit_code, shell.runs) == (2, [])
    assert "there is no such program" in result.stderr


def speaker(code: str) -> subprocess.Popen[bytes]:
    """Start a process that stands in for the detached root."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End it and let go of its pipe."""
    process.kill()
    with process:
        process.wait(PATIENCE)


@pytest.mark.req("O1")
def test_detached_root_that_becomes_ready() -> None:
    """The parent returns at the line "ready", whatever was said before, and however it arrives."""
    code = "for part in ('unready', '\\nre', 'ady\\n'):\n    print(part, end='', flush=True)\ninput()"
    process = speaker(code)
    wait_until_ready(process, PATIENCE)
    end(process)


@pytest.mark.req("O1")
def test_detached_root_that_fails() -> None:
    """What it said becomes the message, its exit status the parent's."""
    process = speaker("import sys; sys.exit(sys.stderr.write('supervisor: state directory is busy') and 7)")
    with pytest.raises(Failure) as caught:
        wait_until_ready(process, PATIENCE)
    end(process)

    assert (caught.value.message, caught.value.exit_code) == ("state directory is busy", 7)


@pytest.mark.req("O1")
def test_detached_root_that_takes_too_long() -> None:
    """After the time the parent ends with 5; the root is left alone."""
    process = speaker("input()")
    with pytest.raises(Failure) as caught:
        wait_until_ready(process, 0.05)
    running = process.poll() is None
    end(process)

    assert (caught.value.exit_code, running) == (5, True)


@pytest.mark.req("O1")
def test_announcing_lets_go_of_the_terminal() -> None:
    """A detached root says ready once, then its three standard descriptors lead nowhere."""
    read, write = os.pipe()
    code = (
        "from supervisor.cli._announcing import announce_ready\nimport os\n"
        "announce_ready()\nos.write(1, b'more')\n"
        f"os.write({write}, ','.join(os.readlink(f'/proc/self/fd/{{fd}}') for fd in (0, 1, 2)).encode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], pass_fds=[write], capture_output=True, check=True, timeout=PATIENCE,
        cwd=PROJECT,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read) as pipe:
        links = pipe.read()

    assert done.stdout == b"ready\n"
    assert links == "/dev/null,/dev/null,/dev/null"


def test_background_arguments_and_patience(shell: Shell) -> None:
    """The background process gets the same options; patience covers the slowest child."""
    assert background_arguments(["start", "--detach", "--paper"]) == ["start", "--paper", "--detached-child"]
    shell.write(TREE + 'ready_timeout = "90s"\n')
    shell("start", "--detached-child")
    ((tree, options),) = shell.runs

    assert patience(tree) == 120.0
    assert options.detached
    assert options.announce is not None


@pytest.mark.req("S12")
def test_check(shell: Shell) -> None:
    """check says that a file is good, or all that is wrong with it."""
    shell.write()
    good = shell("check")
    assert (good.exit_code, good.stdout.split(":")[1]) == (
        0,
        " good, 1 processes, state in " + str(shell.cwd / "var") + "\n",
    )
    shell.write(TREE + "restart = 1\nshutdwn = 2\n")
    bad = shell("check", "--config", "supervisor.toml")

    assert (bad.exit_code, bad.stdout) == (2, "")
    assert len(bad.stderr.splitlines()) == 2


@pytest.mark.req("O5")
def test_tree_draws_groups(shell: Shell) -> None:
    """Groups and children in start order, with their limits."""
    shell.write(
        '[[group]]\nid = "market"\n[[child]]\nid = "a"\ncommand = ["x", "y"]\nparent = "market"\n'
        '[[child]]\nid = "feed"\nstart = "a:b"\nintensity = { max_restarts = 2, period = "1m" }\n'
    )

    assert shell("tree").stdout.splitlines() == [
        "root  one_for_one, 20 restarts in 10m, then hold",
        "|-- market  rest_for_one, 5 restarts in 1m",
        "|   `-- a  x y, permanent",
        "`-- feed    a:b, permanent, 2 restarts in 1m, then park",
    ]


@pytest.mark.req("O5")
def test_init_writes_a_file_that_is_good(shell: Shell) -> None:
    """What init writes passes the configuration's checks, is dry-run, and is never overwritten."""
    assert shell("init").exit_code == 0
    text = (shell.cwd / "supervisor.toml").read_text()
    assert 'mode = "dry-run"' in text
    assert shell("tree").exit_code == 0
    again = shell("init")
    assert (again.exit_code, "--force" in again.stderr) == (1, True)
    assert shell("init", "--force").exit_code == 0
    assert shell("init", "other.toml", "--from", "nonsense").exit_code == 2
    assert not (shell.cwd / "other.toml").exists()


@pytest.mark.req("O5")
def test_init_over_a_tree_file_leaves_nothing(shell: Shell) -> None:
    """It wrote the example of a strategy, and only then saw that it could not write the tree."""
    shell.write()

    assert shell("init", "--strategy", "mine.py").exit_code == 1
    assert not (shell.cwd / "mine.py").exists()


@pytest.mark.req("S12")
@pytest.mark.parametrize(
    ("place", "told"), [("taken", "is a file, not a directory"), ("n" * 300, "is too long")]
)
def test_check_tells_of_a_state_directory_that_cannot_be(shell: Shell, place: str, told: str) -> None:
    """It said good, and the start refused."""
    (shell.cwd / "taken").write_text("")
    shell.write()

    checked = shell("check", "--state-dir", f"{place}/below")

    assert (checked.exit_code, told in checked.stderr) == (2, True)
    started = shell("start", "--state-dir", f"{place}/below")
    assert (started.exit_code, told in started.stderr) == (1, True)


@pytest.mark.req("O5")
def test_every_command_explains_itself(shell: Shell) -> None:
    """Each command has a help page with an example, and takes --config and --state-dir."""
    page = shell("--help").stdout
    for name in ("check", "events", "init", "logs", "restart", "start", "status", "stop", "tree"):
        assert f"  {name} " in page
        own = shell(name, "--help").stdout
        assert "Example" in own
        assert "--config" in own
        assert "--state-dir" in own


def test_start_up_is_light() -> None:
    """The command line alone imports none of the heavy packages."""
    heavy = {"asyncio", "zmq", "loguru", "msgspec", "rich", "psutil"}
    code = f"import sys, supervisor.cli; print(*{heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.strip() == ""


def test_errors_with_an_exit_code_become_one_sentence(shell: Shell) -> None:
    """A run that raises such an error ends with its status, without a traceback."""
    shell.write()
    shell.run_error = ConfigError([Problem(origin="x", says="y")])
    result = shell("start")

    assert (result.exit_code, result.stderr) == (2, "supervisor: x: y\n")


@pytest.mark.req("O4")
def test_a_live_start_without_preflight_began_with_a_parked_broker(shell: Shell) -> None:
    """What a worker says about the mode live refuses the start with 2; nothing runs."""
    result = shell("start", "--config", "demo", "--live", "--set", "broker.mode=live", "--duration", "1s")

    assert result.exit_code == 2
    assert "broker.config.mode" in result.stderr
    assert shell.runs == []
    assert shell("start", "--config", "demo", "--paper").exit_code == 0
