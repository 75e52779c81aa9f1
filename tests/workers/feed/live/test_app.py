"""How a live feed is put together: grids, state, and what a restart asks for."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from protocol.messages.control import Launch
from protocol.messages.stream import MarketRole
from tests.support.exchange.capture import answer
from workers.feed.config import FeedConfig
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.app import assemble
from workers.feed.live.network import Connection, Response, Unreachable
from workers.shared.config import BadConfig
from workers.shared.worker import Context, Worker


class Rest:
    """A network that answers with grids, or with nothing, and remembers what it was asked."""

    def __init__(self, *, up: bool = True, body: str | None = None) -> None:
        self.up, self.body = up, answer("fapi/v1/exchangeInfo") if body is None else body
        self.asked: list[str] = []

    def connect(self, url: str) -> AbstractAsyncContextManager[Connection]:
        raise Unreachable(url)

    async def get(self, url: str) -> Response:
        self.asked.append(url)
        if not self.up:
            raise Unreachable("down")
        return Response(200, self.body.encode())


def worker(folder: Path, network: Rest, incarnation: int = 1, symbol: str = "SUSHI/USDT") -> Worker:
    launch = Launch(
        child="feed", path="root/feed", incarnation=incarnation, runtime_dir=str(folder),
        state_dir=str(folder), config_dir=str(folder),
    )  # fmt: skip
    config = FeedConfig(source="exchange", market="perpetual", symbol=symbol)
    return assemble(Context(launch), config, EXCHANGES["binance"], network)


def role_of(built: Worker) -> MarketRole:
    assert isinstance(built.role, MarketRole)
    return built.role


def live(built: Worker) -> None:
    """Let it run for a step that is stored, then end it."""
    assert built.timed is not None
    for now in (0.0, 11.0):
        built.timed.advance(now, 1_700_000_040_000 + round(now * 1000))
        while (step := built.core.step()) is not None:
            built.journal.commit(state=step.state)
    built.journal.close()


@pytest.mark.req("F1")
def test_grids_come_from_the_exchange_and_are_kept(tmp_path: Path) -> None:
    """A restart takes those of before; a new tree asks again, and falls back on them."""
    first = worker(tmp_path, Rest())
    assert ("0.0010", False, True) == (
        str(role_of(first).instrument.tick), role_of(first).lockstep, role_of(first).instrument.filters_known,
    )  # fmt: skip
    live(first)
    again = Rest()
    restarted = worker(tmp_path, again, incarnation=2)
    assert [] == again.asked
    assert "0.0010" == str(role_of(restarted).instrument.tick)
    restarted.journal.close()
    down = worker(tmp_path, Rest(up=False))

    assert "0.0010" == str(role_of(down).instrument.tick)
    down.journal.close()


@pytest.mark.req("F1")
def test_without_any_answer_the_grids_count_as_unknown(tmp_path: Path) -> None:
    """The section's own are used, and said to be no more than that."""
    built = worker(tmp_path, Rest(up=False))

    assert not role_of(built).instrument.filters_known
    assert "0.01" == str(role_of(built).instrument.tick)
    built.journal.close()


@pytest.mark.req("S12")
def test_a_market_that_the_exchange_does_not_list_ends_the_first_start_with_a_sentence(
    tmp_path: Path,
) -> None:
    """Nobody is served by starting it again and again; what was traded before goes on with what it knew."""
    sentence = r"feed.config.symbol: found 'NO/SUCH'.*binance has no such market: 'NOSUCH'"
    with pytest.raises(BadConfig, match=sentence):
        worker(tmp_path, Rest(), symbol="NO/SUCH")
    live(worker(tmp_path, Rest()))
    empty = Rest(body='{"symbols":[]}')
    built = worker(tmp_path, empty)

    assert 1 == len(empty.asked)
    assert "0.0010" == str(role_of(built).instrument.tick)
    built.journal.close()
