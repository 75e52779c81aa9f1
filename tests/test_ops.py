"""The shell commands under ``ops``: what they say when Python is unfit, and how they pass options on.

The Pythons here are scripts that answer like an old one, or like one without venv.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OLD = 'case "$*" in *version_info\\ \\<*) exit 1;; *print*) echo 3.9;; esac'
NO_VENV = 'case "$*" in *ensurepip*) exit 1;; *print*) echo 3.11;; esac'
GOOD = "exit 0"
SHIM = "echo 'this version is not installed' >&2; exit 127"
TREE = ["--config", "demo"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the commands need, in a directory with a space in its name."""
    copy = tmp_path / "a project"
    shutil.copytree(ROOT / "ops", copy / "ops")
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def script(path: Path, text: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(project: Path, *command: str, **pythons: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the copy, with no other Pythons on its path than those given."""
    tools = project.parent / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "readlink", "cksum", "cat", "flock"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name, text in pythons.items():
        script(tools / name.replace("_", "."), text)
    return subprocess.run(
        [str(project / command[0]), *command[1:]],
        env={"PATH": str(tools)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def installed(project: Path, python: str) -> None:
    """Pretend that the environment was made and is up to date."""
    script(project / ".venv/bin/python", python)
    command = f'ROOT="{project}"; . "{project}/ops/lib.sh"; stamp'
    stamp = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    for extra in ("", "test"):
        (project / f".venv/installed{extra}").write_text(stamp)


@pytest.mark.parametrize("command", ["ops/start", "ops/test"])
@pytest.mark.parametrize(
    ("pythons", "sentence"),
    [
        ({}, "Python 3.11 or later is needed, and no python3 was found; name one in PYTHON"),
        (
            {"python3_13": SHIM},
            "Python 3.11 or later is needed, and no python3 was found; name one in PYTHON",
        ),
        ({"python3": OLD}, "Python 3.11 or later is needed, but python3 is 3.9; name another one in PYTHON"),
        (
            {"python3_11": NO_VENV, "python3": OLD},
            "python3.11 lacks the modules venv and ensurepip (Debian, Ubuntu: apt install python3.11-venv)",
        ),
    ],
)
def test_one_line_says_what_is_missing(
    project: Path, command: str, pythons: dict[str, str], sentence: str
) -> None:
    """Without a usable Python nothing is made, and one line tells what to get."""
    done = run(project, command, **pythons)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{command[4:]}: {sentence}\n")
    assert not (project / ".venv").exists()


def test_the_newest_usable_python_is_taken(project: Path) -> None:
    """A shim that refuses and a Python without venv are passed over."""
    command = f'ROOT="{project}"; . "{project}/ops/lib.sh"; find_python'
    script(project / "ops/find", command)
    done = run(project, "ops/find", python3_13=SHIM, python3_12=NO_VENV, python3_11=GOOD, python3=OLD)

    assert (done.stdout, done.stderr) == ("python3.11\n", "")


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        ([], TREE),
        (
            ["--duration", "5s", "--set", "feed.symbol=a b"],
            [*TREE, "--duration", "5s", "--set", "feed.symbol=a b"],
        ),
        (["--config", "my tree.toml"], ["--config", "my tree.toml"]),
        (["--paper", "--config=x.toml"], ["--paper", "--config=x.toml"]),
    ],
)
def test_start_runs_the_demo_unless_a_tree_is_named(
    project: Path, given: list[str], passed_on: list[str]
) -> None:
    """Options arrive as they were given, and nothing is said when nothing is to do."""
    installed(project, 'printf "%s\\n" "$@"')
    done = run(project, "ops/start", *given)

    assert done.stdout.splitlines() == ["-P", "-m", "supervisor", "start", *passed_on]
    assert done.stderr == ""


def test_a_changed_project_file_installs_again(project: Path) -> None:
    """The stamp tells an old installation from a fresh one; a failed one says so and leaves no stamp."""
    installed(project, 'case "$*" in *install*) echo no network >&2; exit 1;; esac')
    with (project / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    done = run(project, "ops/test", python3=GOOD)

    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == [
        "no network",
        "test: the installation failed, see above; run it again when that is mended",
    ]


def test_this_python_is_good_enough(project: Path) -> None:
    """The real thing: the Python that runs these tests passes all three questions."""
    command = f'ROOT="{project}"; . "{project}/ops/lib.sh"; PYTHON="{sys.executable}" find_python'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)

    assert done.stdout == f"{sys.executable}\n"
