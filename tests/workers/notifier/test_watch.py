"""What the notifier sees of the tree: replays, new errors, health, and whom it pings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import NoAnswer
from protocol.messages.market import Instrument
from protocol.messages.stream import AccountRole, MarketRole, Role
from tests.support.deadline import until
from tests.workers.notifier.test_telegram import PROXIES
from workers.notifier import sight, watch
from workers.notifier.watch import Watch

LIVE = MarketRole(symbol="X", timeframe="1m", instrument=Instrument(), lockstep=False)
RECORDED = MarketRole(symbol="X", timeframe="1m", instrument=Instrument(), lockstep=True)


def child(
    name: str, state: str = "ready", *, errors: int = 0, last_error: str | None = None
) -> dict[str, Any]:
    """Return a child of the status."""
    return {
        "id": name,
        "type": "worker",
        "state": state,
        "incarnation": 1,
        "health": "healthy",
        "uptime": 3.0,
        "restarts": 0,
        "counters": {"errors": errors},
        "last_error": last_error,
        "last_exit": None,
        "waiting_for": None,
        "next_restart_in": None,
    }


def tree(*children: dict[str, Any], health: str = "healthy", state: str = "running") -> dict[str, Any]:
    """Return a status."""
    root = {"state": state, "health": health, "uptime": 60.0, "config": "tree.toml"}
    return {"root": root, "children": list(children)}


class FakeRoot:
    """A root that says what the test likes; ``there`` False: nobody listens."""

    def __init__(self, status: dict[str, Any], **roles: Role) -> None:
        self.said, self.roles, self.there, self.asked = status, roles, True, 0

    def status(self) -> dict[str, Any]:
        """Answer, or not."""
        self.asked += 1
        if not self.said:
            raise NoAnswer("root", 1.0)
        return self.said

    def role(self, name: str) -> Role | None:
        """Say what a child's stream is."""
        return self.roles.get(name)


def watching(
    root: FakeRoot, use: Callable[[Watch, list[Any]], Awaitable[None]], url: str | None = None
) -> None:
    """Run ``use`` beside a watch."""

    async def run() -> None:
        complaints: list[Any] = []
        watch = Watch("notifier", root, lambda *it: complaints.append(it), dead_man_url=url)  # type: ignore[arg-type]
        task = asyncio.create_task(watch(lambda: None))
        try:
            await use(watch, complaints)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.req("N1")
@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (FakeRoot(tree(child("feed"), child("broker")), feed=LIVE, broker=AccountRole()), True),
        (FakeRoot(tree(child("feed"), child("broker")), feed=RECORDED, broker=AccountRole()), False),
        (FakeRoot(tree(child("a"), child("b", "parked"))), True),
    ],
    ids=["live", "replay", "no market"],
)
def test_messages_leave_unless_a_recording_is_traded(root: FakeRoot, expected: bool) -> None:
    """Told by the feed itself, whatever it is called."""

    async def use(watch: Watch, _complaints: list[Any]) -> None:
        assert await watch.goes_out() == expected

    watching(root, use)


@pytest.mark.parametrize(
    ("children", "role", "expected"),
    [
        ((), None, None),
        ((child("feed", "starting"),), None, None),
        ((child("feed"), child("broker", "backoff")), LIVE, None),
        ((child("feed"), child("broker", "stopping")), RECORDED, True),
        ((child("feed"), child("broker", "stopped")), LIVE, False),
        ((child("feed", "held"),), None, False),
    ],
)
def test_whether_it_is_a_replay_is_said_when_all_have_spoken(
    children: tuple[dict[str, Any], ...], role: Role | None, expected: bool | None
) -> None:
    """A recording decides at once; that there is none only when nobody is still to come."""
    assert sight.replays(tree(*children), {"feed": role}) is expected


def test_each_new_error_counts() -> None:
    """One is enough; of a child that has none counted, or was not seen before, nothing is new."""
    before, after = {"feed": 3, "broker": 2}, child("feed", errors=4, last_error="no route")
    odd = {**child("broker", last_error="x"), "counters": {}}

    told = sight.new_errors(before, tree(after, odd, child("late", errors=9, last_error="y")), but="notifier")
    assert [("feed", "no route", 1)] == told
    assert 0 == sight.errors_in(odd)


@pytest.mark.req("N1")
def test_messages_wait_until_it_is_known_whether_this_is_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A feed that is still starting may yet say so."""
    monkeypatch.setattr(watch, "SOON_S", 0.005)
    root = FakeRoot(tree(child("feed", "starting"), child("broker")))

    async def use(watch: Watch, _complaints: list[Any]) -> None:
        answer = asyncio.create_task(watch.goes_out())
        await until(lambda: root.asked > 2, what="some looks")
        assert not answer.done()
        root.roles["feed"] = RECORDED
        root.said = tree(child("feed"), child("broker"))
        assert await answer is False

    watching(root, use)


def test_nobody_who_answers_does_not_hold_messages_up_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while they go out."""
    monkeypatch.setattr(watch, "SOON_S", 0.005)
    monkeypatch.setattr(watch, "UNDECIDED_S", 0.05)

    async def use(watch: Watch, _complaints: list[Any]) -> None:
        assert await watch.goes_out()

    watching(FakeRoot({}), use)


def test_new_errors_of_children_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that came since the last look; not what was there before, nor the notifier's own."""
    monkeypatch.setattr(watch, "EVERY_S", 0.005)
    before = (child("feed", errors=3, last_error="old"), child("notifier"))
    root = FakeRoot(tree(*before))

    async def use(watch: Watch, complaints: list[Any]) -> None:
        await until(lambda: root.asked > 2, what="some looks")
        root.said = tree(
            child("feed", errors=5, last_error="no route"), child("notifier", errors=9, last_error="x")
        )
        await until(lambda: complaints, what="a complaint")
        seen = root.asked
        await until(lambda: root.asked > seen + 2, what="more looks")
        assert complaints == [("feed", "no route", 2)]
        assert watch.children() == {"feed": "ready", "notifier": "ready"}

    watching(root, use)


class _Monitor(BaseHTTPRequestHandler):
    called: list[str]
    status = 200

    def do_GET(self) -> None:
        type(self).called.append(self.path)
        self.send_response(type(self).status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.req("N5")
def test_an_outside_monitor_is_called_while_the_tree_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while anything is critical; a monitor that refuses is seen in health, without its address."""
    monkeypatch.setattr(watch, "EVERY_S", 0.005)
    _Monitor.called = []
    _Monitor.status = 200
    monitor = ThreadingHTTPServer(("127.0.0.1", 0), _Monitor)
    monitor.block_on_close = True
    thread = threading.Thread(target=monitor.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    root = FakeRoot(tree(child("feed")))

    async def use(watch: Watch, _complaints: list[Any]) -> None:
        await until(lambda: len(_Monitor.called) >= 2, what="two calls")
        root.said = tree(child("feed"), health="critical")
        asked = root.asked
        await until(lambda: root.asked > asked + 1, what="a look")
        calls = len(_Monitor.called)
        asked = root.asked
        await until(lambda: root.asked > asked + 3, what="more looks")
        assert len(_Monitor.called) == calls
        _Monitor.status, root.said = 503, tree(child("feed"))
        await until(lambda: watch.condition().reasons, what="a reason")
        assert watch.condition().reasons == ("dead-man ping: status 503",)

    try:
        watching(root, use, f"http://127.0.0.1:{monitor.server_port}/ping/secret-id")
    finally:
        monitor.shutdown()
        thread.join()
        monitor.server_close()
    assert set(_Monitor.called) == {"/ping/secret-id"}


class _Babbler:
    """Begins with ``first`` and then says ``more`` for ever."""

    def __init__(self, first: bytes, more: bytes) -> None:
        self.first, self.more, self.calls = first, more, 0
        self._connections: set[asyncio.Task[None]] = set()

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        self.calls += 1
        self._connections.add(asyncio.create_task(self._babble(reader, writer)))

    async def end(self) -> None:
        """Let go of all connections, also of one that is just being taken."""
        for _ in range(20):
            await asyncio.sleep(0)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed in the next turn of the loop

    async def _babble(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.first)
            while True:
                writer.write(self.more)
                await writer.drain()
                await asyncio.sleep(0.002)
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client has gone
        finally:
            writer.transport.abort()


@pytest.mark.req("N5")
@pytest.mark.parametrize(
    ("babbler", "reasons"),
    [
        (_Babbler(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000), ()),
        (_Babbler(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), ("dead-man ping: no answer in time",)),
    ],
    ids=["body", "head"],
)
def test_a_monitor_that_never_stops_talking_does_not_stop_the_looks(
    monkeypatch: pytest.MonkeyPatch, babbler: _Babbler, reasons: tuple[str, ...]
) -> None:
    """It is called again and again, and the tree is looked at in between."""
    monkeypatch.setattr(watch, "EVERY_S", 0.005)
    monkeypatch.setattr(watch, "WHOLE_TIMEOUT_S", 0.2)
    root = FakeRoot(tree(child("feed")))

    async def run() -> None:
        server = await asyncio.start_server(babbler.connected, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ping"
        looking = Watch("notifier", root, lambda *_: None, dead_man_url=url)  # type: ignore[arg-type]
        task = asyncio.create_task(looking(lambda: None))
        try:
            await until(lambda: babbler.calls >= 2, what="two calls", state=looking.condition)
            asked = root.asked
            await until(lambda: root.asked > asked + 1, what="further looks", state=looking.condition)
            await until(
                lambda: looking.condition().reasons == reasons, what="the reason", state=looking.condition
            )
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            server.close()
            await babbler.end()

    asyncio.run(run())


@pytest.mark.req("N5")
def test_certificates_that_cannot_be_read_end_neither_the_pings_nor_the_notifier(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are seen in health, and the looks go on."""
    monkeypatch.setattr(watch, "EVERY_S", 0.005)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bad.pem"))
    (tmp_path / "bad.pem").write_text("no certificate")
    root = FakeRoot(tree(child("feed")))

    async def use(watch: Watch, _complaints: list[Any]) -> None:
        await until(lambda: watch.condition().reasons, what="a reason")
        asked = root.asked
        await until(lambda: root.asked > asked + 1, what="further looks")
        [reason] = watch.condition().reasons
        assert reason.startswith("dead-man ping: no client can be made: SSLError")

    watching(root, use, "http://127.0.0.1:1/ping/secret-id")


@pytest.mark.req("N5")
@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
def test_a_proxy_that_cannot_be_used_ends_neither_the_pings_nor_the_notifier(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    """It is seen in health, without the address of the monitor, and the looks go on."""
    monkeypatch.setattr(watch, "EVERY_S", 0.005)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    root = FakeRoot(tree(child("feed")))

    async def use(watch: Watch, _complaints: list[Any]) -> None:
        [reason] = await until(lambda: watch.condition().reasons, what="a reason")
        assert "secret-id" not in reason
        asked = root.asked
        await until(lambda: root.asked > asked + 1, what="further looks")

    watching(root, use, "https://127.0.0.1:1/ping/secret-id")


@pytest.mark.req("N4")
def test_why_tells_the_last_end_and_what_is_next() -> None:
    """From the status alone."""
    feed = child("feed", "backoff", last_error="boom")
    feed |= {
        "last_exit": {
            "at": "2026-01-01T00:00:00Z",
            "code": 1,
            "signal": None,
            "reason": "crashed",
            "uptime": 61.0,
        },
        "next_restart_in": 4.0,
    }

    assert sight.why_text("feed", tree(feed)).splitlines() == [
        "feed: backoff, healthy, up 3s",
        "Last end: crashed (code 1) at 2026-01-01T00:00:00Z, up 1m 1s",
        "Last error: boom",
        "Next try in 4s",
    ]
    assert sight.why_text("fed", tree(feed)) == "There is no child 'fed'; there are: feed"
