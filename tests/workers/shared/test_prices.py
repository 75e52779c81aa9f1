"""Live prices from one worker to another: the newest, at once, also for who comes late; never in the way.

The scenarios run on the simulated network and on real sockets alike.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from protocol.codec import MARKET
from protocol.errors import StorageFull
from protocol.journal import Journal
from protocol.messages.market import Funding, Instrument
from protocol.messages.stream import Latest, MarketRole, Record
from protocol.messages.tick import Mark, MarketState, Quote, Tick, Trade
from tests.protocol.worlds import MemoryWorld, World, ZeromqWorld, play
from tests.workers.shared.puppets import Fragile, Recorder, recorder
from tests.workers.shared.world import world
from workers.shared.consumer import Consumer
from workers.shared.core import LogLine, Step, Write
from workers.shared.producer import Producer
from workers.shared.waiting import WaitingTicks
from workers.shared.worker import Context, Worker

WORLDS = [pytest.param(MemoryWorld, id="memory"), pytest.param(ZeromqWorld, id="zeromq")]
ROLE = MarketRole(symbol="BTC", timeframe="1m", instrument=Instrument(), lockstep=False)


def quote(n: int, symbol: str = "BTC") -> Quote:
    bid, size = Decimal(n), Decimal(1)
    return Quote(symbol=symbol, bid=bid, bid_size=size, ask=bid + 1, ask_size=size, at_ms=n, received_ms=n)


def trade(n: int) -> Trade:
    price = Decimal(n)
    return Trade(symbol="BTC", trade_id=str(n), price=price, amount=price, side="buy", at_ms=n, received_ms=n)


def mark(n: int) -> Mark:
    return Mark(symbol="BTC", mark=Decimal(n), at_ms=n, received_ms=n)


def state(n: int) -> MarketState:
    return MarketState(symbol="BTC", at_ms=n)


def unexpected(error: Exception) -> None:
    raise error


class Listener(Recorder):
    """Writes down in which order it hears what; acts at once on quotes when told to."""

    def __init__(self, *, acts: bool = False, bound: int = 50) -> None:
        super().__init__(bound=bound)
        self.heard: list[Tick | str] = []
        self._acts, self._todo = acts, 0

    def tick(self, source: str, tick: Tick) -> None:
        self.heard.append(tick)
        self._todo += self._acts

    def receive(self, source: str, records: Sequence[Record]) -> None:
        super().receive(source, records)
        self.heard.append("records")

    def step(self) -> Step | None:
        if self._todo:
            self._todo -= 1
            self.heard.append("acted")
            return Step(writes=(Write("INSERT INTO seen (source, seq) VALUES ('tick', 0)"),))
        return super().step()


FUNDING = Funding(symbol="BTC", at_ms=1, rate=Decimal("0.0001"))


class Teller(Recorder):
    """Does the steps it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.todo: list[Step] = []

    def say(self, step: Step) -> None:
        self.todo.append(step)

    def step(self) -> Step | None:
        return self.todo.pop(0) if self.todo else None


def telling() -> Callable[[Context], Worker]:
    return lambda context: Worker(
        core=Teller(), journal=context.open_journal(), role=ROLE, encode=MARKET.encode
    )


def listening(core: Listener) -> Callable[[Context], Worker]:
    return lambda context: replace(recorder(core)(context), ticking=core)


def fragile(worker: Worker, before: dict[int, Exception]) -> Worker:
    return replace(worker, journal=Fragile(worker.journal, before=before))


class Feed:
    """A process that tells prices; ``life`` tells its incarnations apart."""

    def __init__(self, made: World, journal: Journal, life: str = "1") -> None:
        self._made, self._transport = made, made.transport()
        self.producer = Producer(
            "feed",
            journal,
            ROLE,
            wall_ms=lambda: 0,
            wake=lambda: None,
            bad_frame=unexpected,
            on_asked=lambda fetch: None,
            life=life,
        )
        self.producer.bind(self._transport, made.runtime_dir)
        made.tickers.append(self.producer.tell_tip)

    def tell(self, *ticks: Tick) -> None:
        self.producer.tell_ticks(ticks)

    def kill(self) -> None:
        self._made.tickers.remove(self.producer.tell_tip)
        self._transport.close()


class Reader:
    """A process that hears them; what waits is handed over when :meth:`heard` is asked."""

    def __init__(self, made: World, *, ticking: bool = True, room: int = 50) -> None:
        self._now = 0.0
        self.core = Listener(bound=room)
        self.consumer = Consumer(
            "feed",
            self.core,
            None,
            clock=lambda: self._now,
            wake=lambda: None,
            bad_frame=unexpected,
            ticking=self.core if ticking else None,
        )
        self.consumer.connect(made.transport(), made.runtime_dir)
        made.tickers.append(self._ask)

    def heard(self) -> list[Tick | str]:
        while self.consumer.hand_over_tick():
            pass
        return self.core.heard

    def _ask(self, now: float) -> None:
        self._now = now
        self.consumer.ask(now)


def arrived(reader: Reader, count: int) -> Callable[[], bool]:
    return lambda: reader.consumer.ticks_dropped + reader.consumer.ticks_waiting == count


def told_last(reader: Reader, tick: Tick) -> Callable[[], bool]:
    return lambda: [tick] == reader.heard()[-1:]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with contextlib.closing(Journal.open(tmp_path / "feed.db", stream="feed")) as opened:
        yield opened


@pytest.mark.req("F1")
@pytest.mark.parametrize("make_world", WORLDS)
def test_who_comes_late_gets_the_newest_of_each_kind_and_symbol(
    make_world: Callable[[], World], journal: Journal
) -> None:
    """The last quote, mark, state and trade of every symbol, told before it was born; then what follows."""

    async def scenario(made: World) -> None:
        feed = Feed(made, journal)
        feed.tell(quote(1), quote(2), trade(3), trade(4), mark(5), state(6), quote(7, "ETH"), quote(8))
        reader = Reader(made)
        await made.until(lambda: len(reader.heard()) >= 5)
        assert [trade(4), mark(5), state(6), quote(7, "ETH"), quote(8)] == reader.heard()

        feed.tell(quote(9))
        await made.until(lambda: quote(9) in reader.heard())
        assert reader.heard().count(quote(9)) == 1

    play(make_world, scenario)


@pytest.mark.parametrize("make_world", WORLDS)
def test_a_new_life_of_the_producer_is_asked_for_its_prices(
    make_world: Callable[[], World], journal: Journal
) -> None:
    """What a restarted producer told before its readers were back reaches them; its numbers start anew."""

    async def scenario(made: World) -> None:
        feed = Feed(made, journal, "1")
        feed.tell(quote(1), quote(2), quote(3))
        reader = Reader(made)
        await made.until(lambda: quote(3) in reader.heard())
        feed.kill()
        again = Feed(made, journal, "2")
        again.tell(quote(4))
        await made.until(lambda: quote(4) in reader.heard())
        again.tell(mark(5))
        await made.until(lambda: mark(5) in reader.heard())
        assert [quote(3), quote(4), mark(5)] == reader.heard()

    play(make_world, scenario)


@pytest.mark.parametrize("make_world", WORLDS)
def test_no_room_for_records_is_no_reason_to_miss_prices(
    make_world: Callable[[], World], journal: Journal
) -> None:
    """A reader whose core is full of records still learns the prices of a producer that was born again."""

    async def scenario(made: World) -> None:
        feed = Feed(made, journal, "1")
        reader = Reader(made, room=0)
        feed.tell(quote(1))
        await made.until(lambda: quote(1) in reader.heard())
        feed.kill()
        Feed(made, journal, "2").tell(quote(2))
        await made.until(lambda: quote(2) in reader.heard())

    play(make_world, scenario)


@pytest.mark.parametrize("make_world", WORLDS)
def test_a_busy_reader_gets_the_newest_and_a_bounded_number_of_trades(
    make_world: Callable[[], World], journal: Journal
) -> None:
    """While the core is busy quotes replace each other and the oldest trades go; how many is counted."""

    async def scenario(made: World) -> None:
        feed, reader = Feed(made, journal), Reader(made)
        feed.tell(quote(0))
        await made.until(lambda: quote(0) in reader.heard())
        for n in range(1, 1203):
            feed.tell(trade(n), quote(n))
            if n % 50 == 0:  # never more on the way than a socket holds
                await made.until(arrived(reader, n + 1))
        await made.until(arrived(reader, 1203))
        heard = reader.heard()[1:]
        assert [trade(n) for n in range(203, 1203)] == [t for t in heard if isinstance(t, Trade)]
        assert [quote(1202)] == [t for t in heard if isinstance(t, Quote)]
        assert 202 == reader.consumer.ticks_dropped

    play(make_world, scenario)


@pytest.mark.parametrize("make_world", WORLDS)
def test_who_wants_no_prices_gets_none(make_world: Callable[[], World], journal: Journal) -> None:
    """A worker without ``ticking`` is told nothing, and keeps nothing."""

    async def scenario(made: World) -> None:
        feed, deaf, reader = Feed(made, journal), Reader(made, ticking=False), Reader(made)
        feed.tell(quote(1))
        await made.until(lambda: quote(1) in reader.heard())
        await made.until(lambda: deaf.consumer.introduced or bool(deaf.heard()))
        assert ([], 0) == (deaf.heard(), deaf.consumer.ticks_waiting)

    play(make_world, scenario)


@pytest.mark.parametrize("make_world", WORLDS)
def test_a_stuck_listener_holds_nobody_up(make_world: Callable[[], World], journal: Journal) -> None:
    """A reader that never reads its socket costs the producer nothing and the other reader nothing."""

    async def scenario(made: World) -> None:
        feed, reader = Feed(made, journal), Reader(made)
        with made.stuck_listener(made.endpoint("feed", "live")):
            await made.until(lambda: bool(reader.heard()) or reader.consumer.introduced)
            for n in range(1, 5_001):
                feed.tell(quote(n))
                if n % 100 == 0:
                    await made.until(told_last(reader, quote(n)))

    play(make_world, scenario)


@pytest.mark.req("B3")
def test_a_price_is_acted_upon_before_records_that_wait(tmp_path: Path) -> None:
    """The guard acts first: step by step on the prices, then the records; cursors move by records only."""
    core = Listener(acts=True)
    with world(tmp_path) as made:
        made.add("feed", telling())
        made.add("broker", listening(core))
        feed = made.start("feed").worker.core
        broker = made.start("broker")
        made.run(1.0)
        core.heard.clear()
        assert isinstance(feed, Teller)
        feed.say(Step(outputs=(FUNDING,), ticks=(quote(1), mark(2))))
        made.network.run(until=made.network.now + 0.1)
        made.network.run(until=made.network.now + 0.1)
        made.run(1.0)

        assert [quote(1), "acted", mark(2), "acted", "records"] == core.heard
        cursor = broker.worker.journal.cursor("feed")
        assert cursor is not None
        assert 1 == cursor.seq


def test_prices_are_told_once_and_before_their_step_is_written(tmp_path: Path) -> None:
    """A full disk does not hold a price back, and the step that is tried again does not tell it again."""
    full = StorageFull(Path("x.db"), "no room")
    with world(tmp_path) as made:
        made.add("feed", telling())
        core = Listener()
        made.add("broker", listening(core))
        made.start("broker")
        feed = made.start("feed", lambda w: fragile(w, {1: full, 2: full})).worker
        made.run(1.0)
        assert isinstance(feed.core, Teller)
        feed.core.say(Step(outputs=(FUNDING,), ticks=(quote(1),)))
        made.run(0.5)
        assert ([quote(1)], 0) == (core.heard, feed.journal.last_seq)
        made.run(4.0)
        assert ([quote(1), "records"], 1) == (core.heard, feed.journal.last_seq)


def test_prices_and_log_lines_need_no_disk(tmp_path: Path) -> None:
    """A step of nothing but ticks and logs makes no transaction."""
    with world(tmp_path) as made:
        made.add("feed", telling())
        feed = made.start("feed", lambda w: fragile(w, {})).worker
        assert isinstance(feed.core, Teller)
        for n in range(20):
            feed.core.say(Step(ticks=(quote(n),), logs=(LogLine("DEBUG", "told"),)))
        made.run(1.0)

        assert isinstance(feed.journal, Fragile)
        assert 0 == feed.journal.commits
        assert not feed.core.todo


@given(
    told=st.lists(st.sampled_from([quote, trade, mark, state]), max_size=60),
    taken=st.lists(st.integers(0, 60), max_size=10),
    kept=st.integers(1, 5),
)
def test_waiting_ticks_are_recent_in_order_and_few(
    told: list[Callable[[int], Tick]], taken: list[int], kept: int
) -> None:
    """Against a plain list: in order of arrival, nothing that was replaced, the newest always there."""
    queue, model = WaitingTicks(kept), list[tuple[str, int]]()
    dropped = 0
    for n, make in enumerate(told):
        kind = make.__name__
        queue.put(Latest(topic=f"{kind}/BTC", at_ms=n, body=Raw(b"")))
        same = [one for one in model if one[0] == kind]
        if kind != "trade" or len(same) == kept:
            model = [one for one in model if one not in same[:1]]
            dropped += kind == "trade"
        model.append((kind, n))
        if n in taken:
            oldest = queue.take()
            assert oldest is not None
            assert model.pop(0) == (oldest.topic.split("/")[0], oldest.at_ms)
        assert (len(model), dropped) == (len(queue), queue.dropped)
    while (latest := queue.take()) is not None:
        assert model.pop(0) == (latest.topic.split("/")[0], latest.at_ms)
    assert model == []
