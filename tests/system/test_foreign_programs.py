"""Programs that know nothing of this project: ready and alive by notify protocol, tcp, http and exec."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import foreign
from tests.support.deadline import wait_until
from tests.support.rootprocess import RootProcess
from tests.system.conftest import Start

WATCHED = ("notify", "tcp", "http", "exec")
ALL = """
[[child]]
id = "notify"
command = {notify}
ready = "notify"
liveness = "notify"
heartbeat = {{ interval = "200ms", misses = 10 }}
[[child]]
id = "tcp"
command = {tcp}
ready = {{ tcp = "127.0.0.1:{tcp_port}" }}
liveness = {{ tcp = "127.0.0.1:{tcp_port}" }}
heartbeat = {{ interval = "100ms", misses = 3 }}
[[child]]
id = "http"
command = {http}
ready = {{ http = "http://127.0.0.1:{http_port}/health" }}
liveness = {{ http = "http://127.0.0.1:{http_port}/health" }}
heartbeat = {{ interval = "100ms", misses = 3 }}
[[child]]
id = "exec"
command = ["sleep", "1000"]
ready = {{ exec = ["test", "-e", "exec"] }}
liveness = {{ exec = ["test", "-e", "exec"] }}
heartbeat = {{ interval = "100ms", misses = 3 }}
"""
NEVER = """
[[child]]
id = "told"
command = ["sleep", "1000"]
ready = "notify"
ready_timeout = "300ms"
backoff = { initial = "1h", max = "1h" }
[[child]]
id = "asked"
command = ["sleep", "1000"]
ready = { exec = ["false"] }
ready_timeout = "300ms"
backoff = { initial = "1h", max = "1h" }
"""
SCRIPT = """
[[child]]
id = "script"
command = ["sh", "-c", "systemd-notify --ready --status=scripted; echo after it; exec sleep 1000"]
ready = "notify"
"""
OTHER_USER = """
[[child]]
id = "other"
command = {command}
user = "daemon"
ready = "notify"
"""


def program(*arguments: str) -> str:
    """The command line of a foreign program, as a tree file wants it."""
    return json.dumps([sys.executable, "-I", "-S", foreign.__file__, *arguments])


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def everything() -> str:
    """A tree with one program of each kind."""
    tcp, http = free_port(), free_port()
    return ALL.format(
        notify=program("notify"),
        tcp=program("tcp", str(tcp)),
        http=program("http", str(http)),
        tcp_port=tcp,
        http_port=http,
    )


def wait_children(
    root: RootProcess, what: str, fits: Callable[[dict[str, dict[str, Any]]], bool]
) -> dict[str, dict[str, Any]]:
    """Wait until the children are as they should be; return them."""

    def look() -> dict[str, dict[str, Any]]:
        children = root.children()
        return children if children and fits(children) else {}

    return wait_until(look, 30, what=what, state=lambda: (root.children(), root.said()))


def first_word(root: RootProcess, name: str) -> dict[str, Any]:
    """Wait until there is something to tell of a child, which is starting then; return it."""
    children = wait_children(root, f"word of {name}", lambda found: bool(found[name]["status_text"]))
    assert children[name]["state"] == "starting"
    return children[name]


@pytest.mark.req("S3", "S4", "S10")
def test_foreign_programs_are_ready_and_hung_as_python_workers_are(
    start: Start, tree_file: Callable[[str], str], tmp_path: Path, runtime_dir: Path
) -> None:
    """Not ready before they say or show it; replaced as hung when they no longer do; nothing left."""
    root = start("--config", tree_file(everything()))
    before = {}
    for name in WATCHED:
        before[name] = first_word(root, name)
        (tmp_path / name).touch()
    ready = root.wait_ready(WATCHED)

    assert before["notify"]["status_text"] == "warming up"
    assert before["http"]["status_text"].startswith("GET http://127.0.0.1:")
    assert before["exec"]["status_text"] == "exec test -e exec: exit code 1"
    assert [ready[name]["status_text"] for name in WATCHED] == ["serving", None, None, None]
    assert all(ready[name]["heartbeat_age"] is not None for name in WATCHED)
    assert [ready[name]["pid"] for name in WATCHED] == [before[name]["pid"] for name in WATCHED]
    assert "notify: serving" in root.command("status").stdout

    for name in WATCHED:
        (tmp_path / name).unlink()
    hung = wait_children(
        root, "all to be replaced", lambda found: all(found[name]["restarts"] for name in WATCHED)
    )

    assert [hung[name]["last_exit"]["reason"] for name in WATCHED] == ["hung"] * len(WATCHED)
    assert root.interrupt() == 0
    assert list(runtime_dir.glob("*/*.notify")) == []


@pytest.mark.req("S3")
def test_a_program_that_never_becomes_ready_has_failed_to_start(
    start: Start, tree_file: Callable[[str], str]
) -> None:
    """After its ready_timeout it is stopped with reason start_timeout, and retried like any failed start."""
    root = start("--config", tree_file(NEVER))
    children = wait_children(
        root, "both to time out", lambda found: {child["state"] for child in found.values()} == {"backoff"}
    )

    assert {child["last_exit"]["reason"] for child in children.values()} == {"start_timeout"}
    assert children["asked"]["last_error"] == "exec false: exit code 1"
    assert children["told"]["consecutive_failures"] == 1


@pytest.mark.req("S10")
@pytest.mark.skipif(shutil.which("systemd-notify") is None, reason="systemd is not on this machine")
def test_systemds_own_tool_is_understood(start: Start, tree_file: Callable[[str], str]) -> None:
    """A shell script that calls systemd-notify: ready, its text shown, and no wait for a barrier."""
    root = start("--config", tree_file(SCRIPT))
    ready = root.wait_ready(["script"])
    wait_until(lambda: "after it" in root.said(), what="systemd-notify to return", state=root.said)

    assert ready["script"]["status_text"] == "scripted"
    assert "timed out" not in root.said().lower()


@pytest.mark.req("S10")
@pytest.mark.skipif(os.geteuid() != 0, reason="only uid 0 can become somebody else")
def test_a_program_of_another_user_is_heard(start: Start, tree_file: Callable[[str], str]) -> None:
    """It cannot enter the private directory, and can say that it is ready all the same."""
    code = (
        "import os, socket, signal\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.connect('\\0' + os.environ['NOTIFY_SOCKET'][1:])\n"
        "s.send(b'READY=1\\nSTATUS=uid %d' % os.getuid())\n"
        "signal.pause()\n"
    )
    text = OTHER_USER.format(command=json.dumps(["/usr/bin/env", "python3", "-I", "-S", "-c", code]))
    root = start(
        "--config", tree_file(text + f'directory = "/"\nenvironment = {{ PATH = "{os.environ["PATH"]}" }}')
    )
    ready = root.wait_ready(["other"])

    assert ready["other"]["status_text"] not in {None, "uid 0"}
