"""Telegram: one message in, one outcome out. Never raises for what a network or a server may do.

The token is part of the URL, so no exception of the client and no URL ever leaves this file as it is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    import httpx

TIMEOUT_S: Final = 10.0
WHOLE_TIMEOUT_S: Final = 15.0
"""For a server that drips: the client's own timeout begins anew with each byte."""
LONGEST_TEXT: Final = 4096
LONGEST_REPLY: Final = 64 * 1024
LONGEST_WAIT_S: Final = 24 * 3600.0


class Sent(Struct, frozen=True):
    """The server has the message."""


class Refused(Struct, frozen=True):
    """The message is not sent; ``why`` is safe to show. ``wait_s``: what the server asks for, if it does."""

    why: str
    wait_s: float | None = None


Outcome = Sent | Refused


class Telegram:
    """A chat, through a bot."""

    def __init__(self, token: str, chat_id: str, base_url: str, client: httpx.AsyncClient) -> None:
        self._url = f"{base_url.rstrip('/')}/bot{token}/sendMessage"
        self._token, self._chat_id, self._client = token, chat_id, client

    async def send(self, text: str) -> Outcome:
        """Send a message as plain text, cut to what Telegram takes."""
        import httpx

        body = {"chat_id": self._chat_id, "text": text[:LONGEST_TEXT], "disable_web_page_preview": True}
        try:
            async with (
                asyncio.timeout(WHOLE_TIMEOUT_S),
                self._client.stream("POST", self._url, json=body) as response,
            ):
                return self._outcome(response.status_code, response.headers, await _start_of(response))
        except TimeoutError:
            return Refused("no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Refused(self._redacted(f"{type(error).__name__} {error}".strip()))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _outcome(self, status: int, headers: httpx.Headers, body: bytes) -> Outcome:
        said = _object(body)
        if status == 200 and said.get("ok") is not False:
            return Sent()
        description = str(said.get("description", ""))[:200]
        wait_s = _number(headers.get("retry-after"))
        parameters = said.get("parameters")
        if wait_s is None and isinstance(parameters, dict):
            wait_s = _number(parameters.get("retry_after"))
        return Refused(self._redacted(f"status {status} {description}".strip()), wait_s)

    def _redacted(self, text: str) -> str:
        return text.replace(self._token, "***")


def open_telegram(token: str, chat_id: str, base_url: str) -> Telegram:
    """Make the channel; nothing is connected yet."""
    import httpx  # late: 30 ms and 10 MiB that only those with credentials need

    client = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False)
    return Telegram(token, chat_id, base_url, client)


async def _start_of(response: httpx.Response) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= LONGEST_REPLY:
            break
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def _number(value: object) -> float | None:
    if not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return min(found, LONGEST_WAIT_S) if found >= 0 else None
