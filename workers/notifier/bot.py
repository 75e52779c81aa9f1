"""Telegram's Bot API over HTTPS: a method and its arguments in, an answer or a refusal out.

Never raises for what a network or a server may do. The token is part of every URL, so no exception of the
client and no URL leaves this file as it is. The client is imported at the first call: 30 ms and 10 MiB that
only those need who talk to Telegram.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from workers.notifier.outcome import Refused
from workers.notifier.secrecy import cleaned, quieten, told

if TYPE_CHECKING:
    import httpx

TIMEOUT_S: Final = 10.0
"""For connecting, and for each piece of an answer."""
WHOLE_TIMEOUT_S: Final = 15.0
"""For a server that drips: the client's own timeout begins anew with each byte."""
LONGEST_REPLY: Final = 1024 * 1024
LONGEST_WAIT_S: Final = 24 * 3600.0


class Answered(Struct, frozen=True):
    """The server did it; ``result`` is what it says."""

    result: Any = None


class Failed(Refused, frozen=True):
    """The server did not do it, or nobody can say. ``status`` 0: there was no answer at all.

    ``moved_to``: the chat is another one now (a group that became a supergroup).
    """

    status: int = 0
    moved_to: str | None = None


Reply = Answered | Failed


class Bot:
    """A bot, by its token. ``base_url`` may be another server, for tests and proxies."""

    def __init__(self, token: str, base_url: str) -> None:
        self._token, self._base = token, base_url.rstrip("/")
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def call(self, method: str, arguments: Mapping[str, Any], *, within_s: float = 0.0) -> Reply:
        """Call a method; a long poll may take ``within_s`` longer than other calls."""
        try:
            client = await self._connected()
        except Exception as error:  # noqa: BLE001 - whatever proxies and certificates of the host lead to
            return Failed(f"no client can be made: {told(error, self._token)}", certain=True)
        import httpx

        try:
            async with asyncio.timeout(WHOLE_TIMEOUT_S + within_s):
                status, headers, body = await self._post(client, method, arguments, TIMEOUT_S + within_s)
        except TimeoutError:
            return Failed("no answer in time")
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.UnsupportedProtocol,
            httpx.InvalidURL,
        ) as error:
            return Failed(told(error, self._token), certain=True)
        except Exception as error:  # noqa: BLE001 - HTTPError, and what an odd address does deep in a library
            return Failed(told(error, self._token))
        return self._reply(status, headers, _object(body))

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _connected(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_opened)
            return self._client

    async def _post(
        self, client: httpx.AsyncClient, method: str, arguments: Mapping[str, Any], timeout_s: float
    ) -> tuple[int, httpx.Headers, bytes]:
        url = f"{self._base}/bot{self._token}/{method}"
        async with client.stream("POST", url, json=dict(arguments), timeout=timeout_s) as response:
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) >= LONGEST_REPLY:
                    break
            return response.status_code, response.headers, body

    def _reply(self, status: int, headers: httpx.Headers, said: Mapping[str, Any]) -> Reply:
        if status == 200 and said.get("ok") is True:
            return Answered(said.get("result"))
        parameters = said.get("parameters")
        parameters = parameters if isinstance(parameters, dict) else {}
        wait_s = _number(headers.get("retry-after"))
        moved = parameters.get("migrate_to_chat_id")
        why = f"status {status} {str(said.get('description', ''))[:200]}".strip()
        return Failed(
            self._cleaned(why if said else f"status {status}, and no answer of Telegram"),
            wait_s=_number(parameters.get("retry_after")) if wait_s is None else wait_s,
            # Telegram itself says no; a gateway in between cannot know.
            certain=said.get("ok") is False or status == 429,
            hopeless=status in {400, 413} and said.get("ok") is False and moved is None,
            status=status,
            moved_to=str(moved) if isinstance(moved, int | str) else None,
        )

    def _cleaned(self, text: str) -> str:
        return cleaned(text, self._token)


def _opened() -> httpx.AsyncClient:
    """Make a client; in a thread, for to import it and to read all certificates takes a tenth of a second."""
    import httpx

    quieten()
    # Two places at most: one for messages, one for the long poll.
    limits = httpx.Limits(max_connections=4, max_keepalive_connections=2)
    return httpx.AsyncClient(follow_redirects=False, limits=limits)


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
