"""Probes against real servers that answer well, badly, late or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import ExecProbe, HttpProbe, Probe, TcpProbe
from supervisor.host.errors import StartFailed
from supervisor.host.probe import ProbeFailed, ask

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LIMIT_S = 10.0


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    """Serve connections on a port of this machine."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            return
        finally:
            writer.close()

    running = await asyncio.start_server(once, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]


def answering(answer: bytes, *, then_hang: bool = False) -> Serve:
    """Read the request to its end, answer, and perhaps keep the connection open."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if then_hang:
            await reader.read()

    return serve


async def nobody(_command: tuple[str, ...], _limit: float) -> ExitStatus:
    """Run nothing."""
    raise AssertionError("no command is to be run")


async def verdict(probe: Probe, limit: float = LIMIT_S, run: Any = nobody) -> str:
    """Ask once: ``serves``, or the sentence why not."""
    try:
        await ask(probe, limit, run)
    except ProbeFailed as error:
        return str(error)
    return "serves"


def get(answer: bytes, *, then_hang: bool = False, limit: float = LIMIT_S) -> str:
    """Ask a server that gives this answer."""

    async def story() -> str:
        async with server(answering(answer, then_hang=then_hang)) as port:
            return await verdict(HttpProbe(f"http://127.0.0.1:{port}/health?deep=1"), limit)

    return asyncio.run(story())


@pytest.mark.req("S3")
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\nfine",
        b"HTTP/1.0 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n",
        b"HTTP/1.1 399\n\n",
    ],
)
def test_a_good_status_serves(answer: bytes) -> None:
    """200 to 399 is good, and a redirect is not followed."""
    assert get(answer) == "serves"


@pytest.mark.req("S3")
@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "status 503"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
        (b"HTTP/1.1 199 Odd\r\n\r\n", "status 199"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n", "not HTTP"),
        (b"\xff" * 20_000, "without the end of a line"),
        (b"", "without an answer"),
    ],
)
def test_a_bad_answer_does_not(answer: bytes, found: str) -> None:
    """Another status, another protocol, an endless line, nothing: a sentence that says so."""
    assert found in get(answer)


@pytest.mark.req("S3")
def test_an_endless_body_is_cut() -> None:
    """The status line decides; a body without end takes neither time nor memory."""
    assert get(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000, then_hang=True) == "serves"


@pytest.mark.req("S4")
def test_silence_is_bounded() -> None:
    """A server that accepts and says nothing fails the probe when its time is over."""
    assert "no answer within 0.1 s" in get(b"", then_hang=True, limit=0.1)


@pytest.mark.req("S3")
def test_request_is_complete() -> None:
    """The server is asked for the path and query of the url, by name, for one answer."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await writer.drain()

    async def story() -> int:
        async with server(serve) as port:
            assert await verdict(HttpProbe(f"http://127.0.0.1:{port}?a=b")) == "serves"
            return port

    port = asyncio.run(story())
    assert asked[0].startswith(b"GET /?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)
    assert b"Connection: close\r\n" in asked[0]


@pytest.mark.req("S3")
def test_tcp_serves_while_somebody_listens() -> None:
    """A connection is enough; after the server has gone it is refused."""

    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story() -> tuple[str, str]:
        async with server(silent) as port:
            up = await verdict(TcpProbe("127.0.0.1", port))
        return up, await verdict(TcpProbe("127.0.0.1", port))

    up, down = asyncio.run(story())
    assert up == "serves"
    assert down.startswith("tcp 127.0.0.1:")
    assert "refused" in down.lower() or "connect" in down.lower()


@pytest.mark.req("S3")
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (ExitStatus(code=0), "serves"),
        (ExitStatus(code=3), "exec ./probe now: exit code 3"),
        (ExitStatus(signal="SIGSEGV"), "exec ./probe now: ended by SIGSEGV"),
        (StartFailed("command not found: './probe'"), "exec ./probe now: command not found: './probe'"),
        (TimeoutError(), "exec ./probe now: no answer within 10 s"),
        (OSError(24, "Too many open files"), "exec ./probe now: Too many open files"),
    ],
)
def test_exec_goes_by_the_exit_code(outcome: ExitStatus | Exception, expected: str) -> None:
    """0 serves; anything else is told as what it was."""

    async def run(command: tuple[str, ...], limit: float) -> ExitStatus:
        assert (command, limit) == (("./probe", "now"), 9.0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    story: Coroutine[Any, Any, str] = verdict(ExecProbe(("./probe", "now")), run=run)
    assert asyncio.run(story) == expected
