"""Commands for the whole tree, and what must not be left of it or shown of it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable

import psutil
import pytest

from tests.support.deadline import wait_until
from tests.system.conftest import Start

_NUMBERS = itertools.count(os.getpid() * 100)

TREE = """
[[group]]
id = "pair"

[[child]]
id = "inner"
parent = "pair"
command = ["sleep", "1000"]

[[child]]
id = "daemon"
command = ["sh", "-c", "env -i setsid -f sleep {number}; env; exec sleep 1000"]
environment = {{ MY_API_KEY = "sekrit-of-the-tree" }}
"""


def sleepers(number: int) -> list[int]:
    """The processes that sleep for so many seconds."""
    found = psutil.process_iter(["cmdline"])
    return [process.pid for process in found if process.info["cmdline"] == ["sleep", str(number)]]


@pytest.mark.req("O3")
@pytest.mark.req("S7")
@pytest.mark.req("H4")
def test_restart_all_with_groups_secrets_of_children_and_unmarked_daemons(
    start: Start, tree_file: Callable[[str], str]
) -> None:
    """restart --all is 0 with a group; a secret of the file is masked; the end leaves no daemon behind."""
    number = next(_NUMBERS)
    root = start("--config", tree_file(TREE.format(number=number)))
    root.wait_ready(["inner", "daemon"])
    wait_until(lambda: sleepers(number), what="the daemon")

    assert root.command("restart", "--all").returncode == 0
    assert set(root.states().values()) == {"ready"}
    log = root.state_dir / "log" / "daemon.jsonl"
    wait_until(lambda: log.read_text().count("MY_API_KEY=") >= 2, what="the environment to be printed twice")
    assert "sekrit-of-the-tree" not in log.read_text()
    assert "MY_API_KEY=***" in log.read_text()

    assert root.interrupt() == 0
    wait_until(lambda: not sleepers(number), what="the daemons to be gone", state=lambda: sleepers(number))
