"""A forkserver alone, without a loop, and puppets forked from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from protocol.messages.control import Launch
from supervisor.host import boot
from supervisor.host.forkserver import Forked, Forkserver


@contextmanager
def running_forkserver() -> Iterator[Forkserver]:
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
