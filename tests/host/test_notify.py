"""The notify socket of one incarnation, with real datagrams."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.host.notice import LARGEST, Notice
from supervisor.host.notify import NotifySocket, address_for, users_of
from tests.support.deadline import until

OWN = frozenset({os.geteuid()})


class Ears:
    """A notify socket, and what came through it."""

    def __init__(self, address: str, users: frozenset[int] = OWN) -> None:
        self.heard: list[Notice] = []
        self.refused: list[str] = []
        self.socket = NotifySocket(
            asyncio.get_running_loop(),
            address,
            users=users,
            heard=self.heard.append,
            refused=lambda kind, _: self.refused.append(kind),
        )

    async def notices(self, count: int) -> list[Notice]:
        """Wait for so many."""
        await until(lambda: len(self.heard) >= count, what=f"{count} notices", state=lambda: self.refused)
        return self.heard


@contextmanager
def mouth(address: str) -> Iterator[socket.socket]:
    """A sender, connected as sd_notify(3) does it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        yield sender


def run(test: object) -> None:
    """Run a coroutine on a loop of its own."""
    asyncio.run(test)  # type: ignore[arg-type]


@pytest.mark.req("S3")
def test_notices_arrive_in_order(runtime_dir: Path) -> None:
    """Everything that is sent is heard once, in order; afterwards nothing is left."""
    address = str(runtime_dir / "1.notify")

    async def story() -> None:
        ears = Ears(address)
        with mouth(address) as sender:
            for text in (b"STATUS=warming up", b"READY=1\nWATCHDOG=1"):
                sender.send(text)
            heard = await ears.notices(2)
        ears.socket.close()
        ears.socket.close()

        assert heard == [Notice(status="warming up"), Notice(ready=True, beat=True)]

    run(story())
    assert not Path(address).exists()


@pytest.mark.req("S10")
def test_garbage_and_giants_are_counted(runtime_dir: Path) -> None:
    """Random bytes, an oversized and an empty datagram change nothing and do not deafen the socket."""
    address = str(runtime_dir / "1.notify")

    async def story() -> None:
        ears = Ears(address)
        with mouth(address) as sender:
            for text in (b"\xff\x00", b"STATUS=" + b"x" * LARGEST, b"", b"READY=1"):
                sender.send(text)
            heard = await ears.notices(1)
        ears.socket.close()

        assert (heard, ears.refused) == ([Notice(ready=True)], ["NotText", "Oversized", "Empty"])

    run(story())


@pytest.mark.req("S10")
def test_other_users_are_not_believed(runtime_dir: Path) -> None:
    """The kernel tells who sent it; a user that is not the command's is refused."""
    address = str(runtime_dir / "1.notify")

    async def story() -> None:
        ears = Ears(address, users=frozenset({os.geteuid() + 1}))
        with mouth(address) as sender:
            sender.send(b"READY=1")
        await until(lambda: ears.refused, what="the refusal")
        ears.socket.close()

        assert (ears.heard, ears.refused) == ([], ["Stranger"])

    run(story())


@pytest.mark.req("S10")
def test_a_barrier_is_answered_and_keeps_no_descriptor(runtime_dir: Path) -> None:
    """systemd-notify sends a descriptor along and waits until the receiver has closed it."""
    address = str(runtime_dir / "1.notify")

    async def story() -> None:
        ears = Ears(address)
        before = open_descriptors()
        read_end, write_end = os.pipe()
        with mouth(address) as sender:
            socket.send_fds(sender, [b"BARRIER=1"], [write_end])
        os.close(write_end)
        os.set_blocking(read_end, False)
        await until(lambda: _is_closed(read_end), what="the barrier to be lifted")
        os.close(read_end)

        assert open_descriptors() == before
        ears.socket.close()

    run(story())


def open_descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def _is_closed(read_end: int) -> bool:
    try:
        return os.read(read_end, 1) == b""
    except BlockingIOError:
        return False


@pytest.mark.req("S10")
def test_a_flood_does_not_hold_up_the_loop(runtime_dir: Path) -> None:
    """Closed by whoever hears the first of many datagrams, the rest is not read; nothing fails."""
    address = str(runtime_dir / "1.notify")

    async def story() -> None:
        ears = Ears(address)
        ears.socket._heard = lambda _: ears.socket.close()
        with mouth(address) as sender:
            for _ in range(5):
                sender.send(b"WATCHDOG=1")
        await until(lambda: not Path(address).exists(), what="the socket to close")

    run(story())


@pytest.mark.req("S10")
def test_a_socket_left_by_a_killed_root_is_no_obstacle(runtime_dir: Path) -> None:
    """The name is taken over, and only this user may enter the directory."""
    address = str(runtime_dir / "1.notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left:
        left.bind(address)

    async def story() -> None:
        ears = Ears(address)
        with mouth(address) as sender:
            sender.send(b"READY=1")
        await ears.notices(1)
        ears.socket.close()

    run(story())
    assert stat.S_IMODE(runtime_dir.stat().st_mode) == 0o700


@pytest.mark.req("S10")
def test_a_command_of_another_user_gets_an_abstract_name(runtime_dir: Path) -> None:
    """It could not enter the private directory; both users may speak, and the name cannot be guessed."""
    users = users_of("daemon" if os.geteuid() == 0 else "root")
    addresses = {address_for(runtime_dir / "1.notify", users) for _ in range(2)}

    assert len(users) == len(addresses) == 2
    assert users_of(None) == users_of("nobody-of-that-name") == OWN
    assert address_for(runtime_dir / "1.notify", OWN) == str(runtime_dir / "1.notify")

    async def story(address: str) -> None:
        ears = Ears(address, users=users)
        with mouth(address) as sender:
            sender.send(b"READY=1")
        await ears.notices(1)
        ears.socket.close()

    run(story(addresses.pop()))
