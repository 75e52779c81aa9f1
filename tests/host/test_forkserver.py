"""The root's end of the forkserver, without a loop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from supervisor.host.forkserver import Forkserver, read_exit_code
from tests.host.forking import fork, release, running_forkserver
from tests.host.rig import is_alive
from tests.support.deadline import wait_until


@pytest.fixture
def forkserver() -> Iterator[Forkserver]:
    """One that preloads the puppets."""
    with running_forkserver() as server:
        yield server


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
