"""What systemd is told, and when. Its end is a real socket, without a service manager behind it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.runtime.systemd import Address, Condition, Systemd
from tests.support.deadline import until
from tests.support.fakesystemd import FakeSystemd

YOUNG = Condition(started=False, stopping=False, status="0 of 1 children ready")
OTHER_PID = "1"


class Tree:
    """A tree whose condition tests change."""

    def __init__(self) -> None:
        self.condition = YOUNG

    def __call__(self) -> Condition:
        return self.condition


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeSystemd]:
    """systemd uses either kind of address."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@supervisor-test-{os.getpid()}"
    with FakeSystemd(address) as fake:
        yield fake


@pytest.mark.req("X3")
def test_ready_status_and_stopping_are_told_once_each(manager: FakeSystemd) -> None:
    """READY=1 when the start has gone through, STATUS= on changes only, STOPPING=1 at once."""
    tree = Tree()

    async def live() -> None:
        with closing(Systemd(Address(manager.address), tree)) as systemd:
            systemd.open()
            await until(manager.status)
            assert "READY=1" not in manager.told()
            tree.condition = Condition(started=True, stopping=False, status="1 of 1 children ready")
            for _ in range(5):
                systemd.changed()
            await until(lambda: "READY=1" in manager.told())
            tree.condition = replace(tree.condition, stopping=True)
            systemd.stopping()
            systemd.changed()

    asyncio.run(live())

    assert manager.told() == [
        f"MAINPID={os.getpid()}",
        "STATUS=0 of 1 children ready",
        "STATUS=1 of 1 children ready",
        "READY=1",
        "STOPPING=1",
    ]


@pytest.mark.req("X3")
def test_the_watchdog_beats_from_the_loop(manager: FakeSystemd) -> None:
    """It beats again and again while the loop turns, and a loop that is blocked is silent."""

    async def live() -> None:
        with closing(Systemd(Address(manager.address, watchdog=0.02), Tree())) as systemd:
            systemd.open()
            await until(lambda: manager.told().count("WATCHDOG=1") >= 3)
            before = manager.told().count("WATCHDOG=1")
            blocked_until = asyncio.get_running_loop().time() + 0.1
            while asyncio.get_running_loop().time() < blocked_until:
                assert manager.told().count("WATCHDOG=1") == before

    asyncio.run(live())


@pytest.mark.req("X3")
def test_nobody_listens(tmp_path: Path) -> None:
    """No address: nothing is done. A socket that comes late: the word is tried again."""
    path = tmp_path / "notify"
    tree = Tree()

    async def live() -> None:
        with closing(Systemd(None, tree)) as silent:
            silent.open()
            silent.changed()
            silent.stopping()
        with closing(Systemd(Address(str(path)), tree)) as systemd:
            systemd.open()
            systemd.stopping()
            with FakeSystemd(str(path)) as late:
                await until(late.status)

    asyncio.run(live())


@pytest.mark.req("X3")
@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "100"}, None),
        ({"NOTIFY_SOCKET": ""}, None),
        ({"NOTIFY_SOCKET": "/run/n"}, Address("/run/n")),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "30000000"}, Address("@n", 30.0)),
        (
            {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())},
            Address("/n", 0.5),
        ),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "500000", "WATCHDOG_PID": OTHER_PID}, Address("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "often"}, Address("/n")),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"}, Address("/n")),
    ],
)
def test_variables_are_taken_out_of_the_environment(environ: dict[str, str], address: Address | None) -> None:
    """A watchdog for another process is not ours; whatever was meant, the children see none of it."""
    environ["PATH"] = "/bin"

    assert Address.taken_from(environ) == address
    assert environ == {"PATH": "/bin"}
