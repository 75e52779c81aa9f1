"""What every transport does, and the reliable stream over each: the same scenarios in both worlds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from protocol.errors import HistoryLost, JournalReplaced
from protocol.journal import Journal
from protocol.messages.stream import Record
from tests.protocol.test_journal import body
from tests.protocol.test_publisher import Recording, seqs
from tests.protocol.worlds import Consumer, MemoryWorld, Producer, World, ZeromqWorld, play

MIB = 1 << 20


@pytest.fixture(params=[MemoryWorld, ZeromqWorld], ids=["memory", "zeromq"])
def make_world(request: pytest.FixtureRequest) -> Callable[[], World]:
    """Each of the two worlds."""
    kind: Callable[[], World] = request.param
    return kind


def test_a_router_answers_each_dealer(make_world: Callable[[], World]) -> None:
    """Answers go to the one who asked, in order, under the identity it gave."""

    async def scenario(world: World) -> None:
        asked: list[tuple[bytes, bytes]] = []
        heard: dict[bytes, list[bytes]] = {b"a": [], b"b": []}

        def answer(identity: bytes, frame: bytes) -> None:
            asked.append((identity, frame))
            assert router.send(identity, b"re:" + frame)

        router = world.transport().router(world.endpoint("root", "control"), answer, max_bytes=MIB)
        for name, into in heard.items():
            dealer = world.transport().dealer(
                world.endpoint("root", "control"), into.append, identity=name, max_bytes=MIB
            )
            assert dealer.send(name + b"1")
            assert dealer.send(name + b"2")
        await world.until(lambda: sum(map(len, heard.values())) == 4)

        assert heard == {b"a": [b"re:a1", b"re:a2"], b"b": [b"re:b1", b"re:b2"]}
        assert sorted(asked) == [(b"a", b"a1"), (b"a", b"a2"), (b"b", b"b1"), (b"b", b"b2")]

    play(make_world, scenario)


def test_a_peer_that_comes_back_takes_its_name(make_world: Callable[[], World]) -> None:
    """A restarted child speaks under the identity of the dead one, at once."""

    async def scenario(world: World) -> None:
        heard: list[bytes] = []
        address = world.endpoint("root", "control")
        router = world.transport().router(address, lambda who, frame: heard.append(frame), max_bytes=MIB)
        old = world.transport().dealer(address, lambda frame: None, identity=b"feed", max_bytes=MIB)
        old.send(b"old")
        await world.until(lambda: heard == [b"old"])
        answers: list[bytes] = []
        new = world.transport().dealer(address, answers.append, identity=b"feed", max_bytes=MIB)
        new.send(b"new")
        await world.until(lambda: heard == [b"old", b"new"])
        router.send(b"feed", b"to the new one")
        await world.until(lambda: answers == [b"to the new one"])

    play(make_world, scenario)


def test_sending_to_nobody_is_no_error(make_world: Callable[[], World]) -> None:
    """A router may speak to a peer that is gone; a closed socket refuses; closing twice is harmless."""

    async def scenario(world: World) -> None:
        transport = world.transport()
        address = world.endpoint("root", "control")
        router = transport.router(address, lambda who, frame: None, max_bytes=MIB)
        outlet = transport.publisher(world.endpoint("root", "live"))
        dealer = transport.dealer(address, lambda frame: None, max_bytes=MIB)
        router.send(b"gone", b"x")
        outlet.send(b"x")
        for socket in (router, outlet, dealer):
            socket.close()
            socket.close()
        assert not router.send(b"gone", b"x")
        assert not dealer.send(b"x")
        outlet.send(b"x")
        transport.close()
        transport.close()

    play(make_world, scenario)


def test_frames_above_the_limit_never_arrive(make_world: Callable[[], World]) -> None:
    """Too large a frame is stopped below the handler; others still come through."""

    async def scenario(world: World) -> None:
        heard: list[int] = []
        address = world.endpoint("root", "control")
        world.transport().router(address, lambda who, frame: heard.append(len(frame)), max_bytes=1000)
        large, small = (
            world.transport().dealer(address, lambda frame: None, max_bytes=MIB) for _ in range(2)
        )
        large.send(b"x" * 1001)
        small.send(b"x" * 1000)
        await world.until(lambda: heard == [1000])

    play(make_world, scenario)


def test_handlers_may_send_and_close(make_world: Callable[[], World]) -> None:
    """A handler may close its own socket; nothing reaches it afterwards."""

    async def scenario(world: World) -> None:
        address = world.endpoint("root", "control")
        heard: list[bytes] = []

        def once(identity: bytes, frame: bytes) -> None:
            heard.append(frame)
            router.send(identity, b"bye")
            router.close()

        goodbyes: list[bytes] = []
        router = world.transport().router(address, once, max_bytes=MIB)
        dealer = world.transport().dealer(address, goodbyes.append, max_bytes=MIB)
        for _ in range(5):
            dealer.send(b"x")
        await world.until(lambda: goodbyes == [b"bye"])
        assert heard == [b"x"]

    play(make_world, scenario)


def append(journal: Journal, producer: Producer, count: int) -> None:
    producer.announce(journal.commit(bodies=[body(journal.last_seq + n) for n in range(1, count + 1)]))


@pytest.mark.req("T1")
def test_a_stream_is_complete(make_world: Callable[[], World], tmp_path: Path) -> None:
    """Past and present arrive once and in order, whether the consumer or the producer is there first."""

    async def scenario(world: World) -> None:
        journal = Journal.open(tmp_path / "x.db", stream="broker")
        journal.commit(bodies=[body(n) for n in range(1200)])
        consumer = Consumer(world, batch=100)
        producer = Producer(world, journal)
        got: list[Record] = []

        def caught_up() -> bool:
            got.extend(consumer.subscriber.take(1000))
            return consumer.subscriber.caught_up

        await world.until(caught_up)
        for _ in range(20):
            append(journal, producer, 3)
        await world.until(lambda: caught_up() and len(got) >= 1260)
        assert seqs(tuple(got)) == list(range(1, 1261))
        assert consumer.subscriber.journal == journal.id
        journal.close()

    play(make_world, scenario)


@pytest.mark.req("T1")
def test_a_stream_survives_restarts_of_both(make_world: Callable[[], World], tmp_path: Path) -> None:
    """Producer and consumer die in turn; from the cursor on, nothing is missing and nothing comes twice."""

    async def scenario(world: World) -> None:
        journal = Journal.open(tmp_path / "x.db", stream="broker")
        producer, consumer = Producer(world, journal), Consumer(world)
        got: list[Record] = []

        def all_there() -> bool:
            producer.tip()
            got.extend(consumer.subscriber.take(7))
            return len(got) == journal.last_seq

        for turn in range(6):
            append(journal, producer, 30)
            await world.until(all_there)
            append(journal, producer, 5)
            if turn % 2:
                producer.kill()
                producer = Producer(world, journal)
            else:
                consumer.kill()
                consumer = Consumer(world, journal=journal.id, after=len(got))
        await world.until(all_there)
        assert seqs(tuple(got)) == list(range(1, 211))
        journal.close()

    play(make_world, scenario)


@pytest.mark.req("X2")
@pytest.mark.parametrize(
    ("source", "cursor", "error"),
    [
        (Recording(50), ("another", 10), JournalReplaced),
        (Recording(50), ("tape", 51), JournalReplaced),
        (Recording(50, first=20), ("tape", 10), HistoryLost),
    ],
)
def test_a_stream_that_cannot_go_on_says_so(
    make_world: Callable[[], World], source: Recording, cursor: tuple[str, int], error: type[Exception]
) -> None:
    """Another journal, a shorter one, or lost history: an error, and no record."""

    async def scenario(world: World) -> None:
        Producer(world, source)
        consumer = Consumer(world, journal=cursor[0], after=cursor[1])
        await world.until(lambda: bool(consumer.errors))

        assert isinstance(consumer.errors[0], error)
        assert consumer.subscriber.take(100) == ()

    play(make_world, scenario)


def test_a_consumer_that_takes_nothing_hurts_nobody(make_world: Callable[[], World], tmp_path: Path) -> None:
    """One consumer stands still while the other gets everything; later it catches up."""

    async def scenario(world: World) -> None:
        journal = Journal.open(tmp_path / "x.db", stream="broker")
        producer = Producer(world, journal)
        stuck, quick = Consumer(world, room=0), Consumer(world)
        got: dict[str, list[Record]] = {"stuck": [], "quick": []}

        def has_all(name: str, consumer: Consumer) -> bool:
            got[name].extend(consumer.subscriber.take(100))
            return len(got[name]) == 500

        for _ in range(50):
            append(journal, producer, 10)
        await world.until(lambda: has_all("quick", quick))
        assert stuck.subscriber.take(100) == ()
        stuck.room = 50
        await world.until(lambda: has_all("stuck", stuck))
        assert seqs(tuple(got["stuck"])) == seqs(tuple(got["quick"])) == list(range(1, 501))
        journal.close()

    play(make_world, scenario)
