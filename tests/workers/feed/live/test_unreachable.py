"""An exchange that cannot be reached, or refuses: by its name, its certificate, its answers."""

from __future__ import annotations

import asyncio
import runpy
import socket
from pathlib import Path

import pytest

from tests.support.deadline import until
from tests.support.exchange.faults import Faults
from tests.support.exchange.names import RESOLVER, Names
from tests.support.exchange.server import TRUSTED, LocalExchange, running
from tests.workers.feed.exchanges.markets import market
from tests.workers.feed.live.served import feeding, hasty, lively, quotes, rest, served, whys
from workers.feed.exchanges.table import EXCHANGES


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnects wait milliseconds: real seconds prove nothing here."""
    hasty(monkeypatch)


@pytest.mark.req("F7")
@pytest.mark.parametrize("status", [429, 418, 500])
def test_refusals_of_rest_are_obeyed_as_their_headers_say(status: int) -> None:
    """Retry-After on 429 and 418; after a 500 the feed's own five seconds. The stream goes on meanwhile."""

    async def main() -> None:
        local = LocalExchange(quotes, rest, faults=Faults(status=status, retry_after="77"))
        async with (
            running(local),
            feeding(
                EXCHANGES["binance"], market("BTC/USDT"), local.ws_url, local.rest_url, history=5
            ) as feed,
        ):
            await until(lambda: feed.facts("history not answered"))
            [facts] = feed.facts("history not answered")
            assert (status, 5.0 if status == 500 else 77.0) == (facts["status"], facts["rests"])
            await lively(feed)

    asyncio.run(main())


@pytest.mark.req("F3")
def test_a_certificate_that_nobody_trusts_is_refused_until_a_better_one_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A running feed loses its connection, is shown another certificate, and waits until that is over."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TRUSTED))

    async def main() -> None:
        async with served(tls=True) as (local, feed):
            await lively(feed)
            local.faults = Faults(untrusted=True)
            await until(lambda: any("certificate of localhost is not trusted" in it for it in whys(feed)))
            local.faults = Faults()
            await lively(feed)
            assert feed.error is None

    asyncio.run(main())


@pytest.mark.req("F3")
def test_a_name_that_does_not_resolve_for_a_while_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A running feed is cut off while its resolver fails; it goes on when the name is there again."""
    names = Names(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(TRUSTED))
    monkeypatch.setenv("NAMES_LOST", names.environment["NAMES_LOST"])
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    runpy.run_path(str(RESOLVER / "sitecustomize.py"))

    async def main() -> None:
        async with served(tls=True) as (local, feed):
            await lively(feed)
            names.lose(True)
            local.cut()
            await until(lambda: any("the name localhost does not resolve" in it for it in whys(feed)))
            names.lose(False)
            await lively(feed)
            assert feed.error is None

    asyncio.run(main())


@pytest.mark.req("F3")
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("wss://exchange.invalid", "the name exchange.invalid does not resolve"),
        ("wss://127.0.0.1:{port}", "127.0.0.1 broke the connection off"),
        ("ws://127.0.0.1:1", "127.0.0.1 cannot be reached"),
    ],
)
def test_what_cannot_be_reached_is_told_in_a_sentence_and_tried_again(url: str, words: str) -> None:
    """The reason is in the log and in the health, and the next try is announced."""

    async def main() -> None:
        local = LocalExchange(quotes, rest)
        async with (
            running(local),
            feeding(
                EXCHANGES["binance"], market("BTC/USDT"), url.format(port=local.port), local.rest_url
            ) as feed,
        ):
            await until(lambda: len(whys(feed)) > 1)
            assert words in whys(feed)[0]

    asyncio.run(main())


@pytest.mark.req("F3")
def test_an_exchange_that_refuses_everyone_ends_the_feed_after_ten() -> None:
    """The sentence names the market and the last trouble."""

    async def main() -> None:
        async with served() as (local, feed):
            await lively(feed)
            local.faults = Faults(refuse=True)
            await until(lambda: feed.error is not None)
            assert "10 connections in a row failed" in str(feed.error)

    asyncio.run(main())
