"""Asks a foreign program from outside whether it serves: a tcp connection, an HTTP GET, or a command.

One attempt is bounded in time and in bytes, follows no redirect, and leaves nothing open.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from supervisor.engine.events import ExitStatus
from supervisor.engine.spec import ExecProbe, HttpProbe, Probe, TcpProbe
from supervisor.host.errors import StartFailed

Run = Callable[[tuple[str, ...], float], Awaitable[ExitStatus]]
"""Runs a command for at most so many seconds. Raises StartFailed, and TimeoutError once it is gone."""

_LONGEST_LINE: Final = 4096
_BODY: Final = 64 * 1024
_BODY_PATIENCE_S: Final = 0.25
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?:[ \r\n]|$)")
_GOOD: Final = range(200, 400)


class ProbeFailed(Exception):
    """The program does not serve; the sentence says what was found."""

    def __init__(self, probe: Probe, found: str) -> None:
        super().__init__(probe, found)
        self.probe, self.found = probe, found

    def __str__(self) -> str:
        return f"{self.probe}: {self.found}"


async def ask(probe: Probe, limit: float, run: Run) -> None:
    """Make one attempt, which takes at most ``limit`` seconds. Raises ProbeFailed."""
    try:
        async with asyncio.timeout(limit):
            await _ask(probe, limit, run)
    except TimeoutError as error:
        raise ProbeFailed(probe, f"no answer within {limit:g} s") from error
    except OSError as error:
        raise ProbeFailed(probe, error.strerror or str(error)) from error
    except StartFailed as error:
        raise ProbeFailed(probe, str(error)) from error


async def _ask(probe: Probe, limit: float, run: Run) -> None:
    match probe:
        case TcpProbe(host, port):
            async with _connection(host, port):
                return
        case HttpProbe(url):
            await _get(probe, urlsplit(url))
        case ExecProbe(command):
            # The runner keeps the time itself: it does not come back before the command is gone.
            status = await run(command, 0.9 * limit)
            if not status.normal:
                how = f"ended by {status.signal}" if status.signal else f"exit code {status.code}"
                raise ProbeFailed(probe, how)


async def _get(probe: HttpProbe, url: SplitResult) -> None:
    secure = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if secure else 80)
    async with _connection(host, port, _unverified() if secure else None) as (reader, writer):
        writer.write(_request(url))
        status = _status(probe, await _first_line(probe, reader))
        await _drain(reader)
    if status not in _GOOD:
        raise ProbeFailed(probe, f"status {status}, wanted is 200 to 399")


@contextlib.asynccontextmanager
async def _connection(
    host: str, port: int, security: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port, ssl=security, limit=_LONGEST_LINE)
    try:
        yield reader, writer
    finally:
        # Not waited for: a peer that does not answer would hold up the next attempt.
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    """Accept any certificate: the question is whether it serves, often under a name other than its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _request(url: SplitResult) -> bytes:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = (
        f"GET {target} HTTP/1.1",
        f"Host: {url.netloc}",
        "User-Agent: supervisor-tree",
        "Accept: */*",
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


async def _first_line(probe: Probe, reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        raise ProbeFailed(probe, "it closed the connection without an answer") from error
    except asyncio.LimitOverrunError as error:
        raise ProbeFailed(probe, f"more than {_LONGEST_LINE} bytes without the end of a line") from error


def _status(probe: Probe, line: bytes) -> int:
    found = _STATUS_LINE.match(line)
    if found is None:
        raise ProbeFailed(probe, f"the answer is not HTTP: {line[:40]!r}")
    return int(found[1])


async def _drain(reader: asyncio.StreamReader) -> None:
    """Take what follows, within bounds: a server whose answer nobody reads logs an error at each probe."""
    left = _BODY
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(_BODY_PATIENCE_S):
            while left > 0 and (chunk := await reader.read(left)):
                left -= len(chunk)
