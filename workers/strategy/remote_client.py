"""Answers the questions of the strategy ``remote`` over HTTP, with time-outs and retries.

Never raises for what a network or a server may do. A token (STRATEGY_TOKEN, a file, or systemd's
credentials) goes out as a bearer's; it appears in no log and no error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from loguru import logger

from protocol.places import secret
from workers.shared.exits import PersonMustLook
from workers.shared.worker import Wake
from workers.strategy.evaluation import in_words
from workers.strategy.inquiry import Answered, Inquiry, Question, Reply, Unanswered
from workers.strategy.remote import RemoteParameters

if TYPE_CHECKING:
    import httpx

TOKEN: Final = "STRATEGY_TOKEN"
LONGEST_REPLY: Final = 64 * 1024
FIRST_PAUSE_S: Final = 0.2
WORTH_ANOTHER_TRY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class NoClient(PersonMustLook):
    """No client can be made on this host: its proxies or its certificates are not as they must be."""

    def __init__(self, url: str, cause: Exception) -> None:
        super().__init__(url, cause)
        self.url, self.cause = url, cause

    def __str__(self) -> str:
        return (
            f"{self.url} cannot be asked: {in_words(self.cause)}; correct the proxies (HTTPS_PROXY,"
            " ALL_PROXY) or certificates (SSL_CERT_FILE) in the environment of the tree, and start it again"
        )


class RemoteClient:
    """A service of the worker: calls the URL of ``parameters`` for each question of ``inquiry``."""

    def __init__(self, inquiry: Inquiry, parameters: RemoteParameters) -> None:
        self._inquiry, self._parameters = inquiry, parameters
        self._asked = asyncio.Event()

    async def __call__(self, wake: Wake) -> None:
        """Answer until cancelled."""
        import httpx  # late: 30 ms and 10 MiB that only this strategy needs

        self._inquiry.on_asked = self._asked.set
        token = secret(TOKEN)
        headers = {"content-type": "application/json"}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        try:
            made = httpx.AsyncClient(headers=headers, timeout=None, follow_redirects=False)
        except Exception as error:
            raise NoClient(self._parameters.url, error) from error
        async with made as client:
            while True:
                if (question := self._inquiry.open) is None:
                    self._asked.clear()
                    await self._asked.wait()
                    continue
                self._inquiry.answer(question.key, await self._answered(client, question))
                wake()

    async def _answered(self, client: httpx.AsyncClient, question: Question) -> Reply:
        parameters, pause = self._parameters, FIRST_PAUSE_S
        for tries in range(1, parameters.retries + 2):
            reply, again = await self._once(client, question)
            if isinstance(reply, Answered) or not again:
                return reply
            logger.bind(attempt=tries, problem=reply.why, asked=question.key).warning(
                "remote strategy does not answer"
            )
            if tries <= parameters.retries:
                await asyncio.sleep(pause)
                pause *= 2
        return reply

    async def _once(self, client: httpx.AsyncClient, question: Question) -> tuple[Reply, bool]:
        """Return the reply of one try, and whether another one may do better."""
        import httpx

        try:
            async with asyncio.timeout(self._parameters.timeout_s):
                content = msgspec.json.encode(question.body)
                async with client.stream("POST", self._parameters.url, content=content) as response:
                    body = await _start_of(response)
        except TimeoutError:
            return Unanswered(f"no answer within {self._parameters.timeout}"), True
        except httpx.HTTPError as error:
            return Unanswered(f"{type(error).__name__} {error}".strip()), True
        except Exception as error:  # noqa: BLE001 - an odd address raises many things deep in a library
            return Unanswered(in_words(error)), False
        if response.status_code == 200:
            return Answered(body), False
        return Unanswered(f"status {response.status_code}"), response.status_code in WORTH_ANOTHER_TRY


async def _start_of(response: httpx.Response) -> bytes:
    body = b""
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > LONGEST_REPLY:
            break
    return body
