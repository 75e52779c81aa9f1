"""How a live feed is put together: grids, state, and what a restart asks for."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from protocol.messages.control import Launch
from protocol.messages.stream import MarketRole
from protocol.messages.tick import Quote, Tick, Trade
from tests.support.exchange.capture import answer
from workers.feed.config import FeedConfig
from workers.feed.exchanges.table import EXCHANGES
from workers.feed.live.app import assemble
from workers.feed.live.core import LiveCore
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


def worker(
    folder: Path,
    network: Rest,
    incarnation: int = 1,
    symbol: str = "SUSHI/USDT",
    exchange: str = "binance",
    **more: Any,
) -> Worker:
    launch = Launch(
        child="feed", path="root/feed", incarnation=incarnation, runtime_dir=str(folder),
        state_dir=str(folder), config_dir=str(folder),
    )  # fmt: skip
    config = FeedConfig(source="exchange", market="perpetual", symbol=symbol, **more)
    return assemble(Context(launch), config, EXCHANGES[exchange], network)


def role_of(built: Worker) -> MarketRole:
    assert isinstance(built.role, MarketRole)
    return built.role


@pytest.mark.req("T3", "X1")
@pytest.mark.parametrize(("timeframe", "keep_s"), [("1m", 6_000), ("1h", 360_000)])
def test_who_is_added_later_finds_a_warm_up(tmp_path: Path, timeframe: str, keep_s: float) -> None:
    """As many candles stay as a first start asks for (100): ten minutes would be none of an hour."""
    built = worker(tmp_path, Rest(), timeframe=timeframe)
    built.journal.close()

    assert built.policy.keep_s == keep_s


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
@pytest.mark.parametrize("incarnation", [1, 2])
def test_what_an_exchange_counts_in_contracts_goes_out_in_the_base_currency(
    tmp_path: Path, incarnation: int
) -> None:
    """A hundredth of a bitcoin is one contract at OKX: grids, quotes and trades are all told in bitcoin."""
    for number in range(1, incarnation + 1):
        built = worker(tmp_path, Rest(body=answer("instType=SWAP")), number, "BTC/USDT", "okx")
        ticks = heard(built, "public", *OKX)
    rules = role_of(built).instrument

    assert [Decimal("0.01")] * 2 == [it * rules.contract_size for it in (rules.step, rules.min_quantity)]
    assert {("1.50", "0.02"), ("0.07",)} == {
        (str(it.bid_size), str(it.ask_size)) if isinstance(it, Quote) else (str(it.amount),)
        for it in ticks
        if isinstance(it, Quote | Trade)
    }


OKX = (
    '{"arg":{"channel":"tickers","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","bidPx":"30000",'
    '"bidSz":"150","askPx":"30000.1","askSz":"2","ts":"1700000040000"}]}',
    '{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"1",'
    '"px":"30000","sz":"7","side":"buy","ts":"1700000040000"}]}',
)


def heard(built: Worker, line: str, *frames: str) -> list[Tick]:
    """Let it connect, hear these frames, and end; return what it told."""
    core = built.core
    assert isinstance(core, LiveCore)
    core.advance(0.0, 1_700_000_040_000)
    core.step()
    core.opened(line)
    for frame in frames:
        core.heard(line, frame)
    step = core.step()
    assert step is not None
    live(built)
    return list(step.ticks)


@pytest.mark.req("F1", "F5")
@pytest.mark.parametrize("wrong", ["0.00000000", "-0.01", "NaN"])
@pytest.mark.parametrize("key", ["tickSize", "stepSize"])
def test_grids_on_which_nothing_could_lie_count_as_unknown(tmp_path: Path, key: str, wrong: str) -> None:
    """What is no step at all must not reach whoever rounds to it."""
    grids = {"tickSize": "0.01", "stepSize": "0.001", key: wrong}
    listed = {
        "symbol": "SUSHIUSDT",
        "filters": [{"filterType": it, **grids} for it in ("PRICE_FILTER", "LOT_SIZE")],
    }
    built = worker(tmp_path, Rest(body=json.dumps({"symbols": [listed]})))

    assert not role_of(built).instrument.filters_known
    built.journal.close()


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
