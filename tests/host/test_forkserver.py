"""The root's end of the forkserver, without a loop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from protocol.messages.control import Launch
from supervisor.host import boot
from supervisor.host.forkserver import Forked, Forkserver, read_exit_code
from tests.host.rig import is_alive
from tests.support.deadline import wait_until


@pytest.fixture
def forkserver() -> Iterator[Forkserver]:
    """One that preloads the puppets."""
    server = Forkserver(["tests.support.puppets"])
    server.start()
    yield server
    server.stop()


def fork(server: Forkserver, name: str, **config: Any) -> tuple[Forked, int]:
    """Fork a puppet; return it and the read end of its output."""
    launch = Launch(
        child="a", path="root/a", incarnation=1, runtime_dir="", state_dir="", config_dir="", config=config
    )
    order = boot.Order(
        child="a",
        start=f"tests.support.puppets:{name}",
        launch=msgspec.msgpack.encode(launch),
        environment={},
        open_files=1024,
    )
    read_end, write_end = os.pipe()
    try:
        return server.fork(order, write_end), read_end
    finally:
        os.close(write_end)


def release(forked: Forked, *descriptors: int) -> None:
    """Close what a test holds."""
    for descriptor in (forked.sentinel, *descriptors):
        os.close(descriptor)


@pytest.mark.req("S7")
def test_end_of_the_lifeline_ends_the_worker(forkserver: Forkserver) -> None:
    """A worker whose root is gone ends itself by SIGKILL, also while the forkserver lives."""
    forked, output = fork(forkserver, "runs", deaf=True)
    assert os.read(output, 100).startswith(b"up ")

    os.close(forked.lifeline)

    assert read_exit_code(forked.sentinel) == -signal.SIGKILL
    release(forked, output)


@pytest.mark.req("S7")
def test_a_killed_forkserver_is_replaced_at_the_next_fork(forkserver: Forkserver) -> None:
    """A fork after the loss comes from a new forkserver; the old worker's sentinel ends without a code."""
    old, old_output = fork(forkserver, "runs")
    os.kill(old.parent, signal.SIGKILL)

    new, new_output = fork(forkserver, "exits_with", code=3)

    assert new.parent != old.parent
    assert read_exit_code(new.sentinel) == 3
    assert read_exit_code(old.sentinel) is None
    wait_until(lambda: not is_alive(old.pid), what="the old worker to be gone")
    release(old, old.lifeline, old_output)
    release(new, new.lifeline, new_output)


@pytest.mark.req("S10")
def test_large_configuration_arrives(forkserver: Forkserver) -> None:
    """A launch larger than a pipe's buffer is handed over whole."""
    forked, output = fork(forkserver, "exits_with", code=5, ballast="x" * 300_000)

    assert read_exit_code(forked.sentinel) == 5
    release(forked, forked.lifeline, output)


@pytest.mark.req("S7")
def test_wrong_parent_is_deadly() -> None:
    """Whoever finds another parent than it was told dies at once: the real one had died before."""
    code = "from supervisor.host.prctl import die_with_parent; die_with_parent(1 << 22)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
