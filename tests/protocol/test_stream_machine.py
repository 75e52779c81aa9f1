"""The reliable stream against a plain list, over a network that loses, repeats and reorders.

The consumer's disk holds what it applied and its cursor, written together; the producer's disk is the list
of what it committed, and how much of it it has forgotten. Either process may be killed at any point; only its
disk is left. Live prices are on no disk: of each life of the producer the newest arrives, and none twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.messages.stream import Record
from protocol.transport.memory import Network
from tests.protocol.test_publisher import record
from tests.protocol.worlds import TICK_S, Consumer, MemoryWorld, Producer


class CommitPoint(Enum):
    """Where a kill may find the consumer."""

    BEFORE_TAKING = "before taking"
    BEFORE_COMMIT = "taken, not committed"
    AFTER_COMMIT = "committed"


class TellPoint(Enum):
    """Where a kill may find the producer on its way of a step."""

    BEFORE_COMMIT = "made, not committed"
    AFTER_COMMIT = "committed, not told"
    AFTER_TELLING = "told"


@dataclass
class ProducerDisk:
    """A journal that nothing can damage."""

    id: str = "j"
    first_seq: int = 1
    records: list[Record] = field(default_factory=list)

    @property
    def last_seq(self) -> int:
        return len(self.records)

    def read(self, after: int, limit: int) -> tuple[Record, ...]:
        assert after + 1 >= self.first_seq, "what was forgotten was asked for"
        return tuple(self.records[after : after + limit])

    def commit(self, count: int) -> tuple[Record, ...]:
        fresh = tuple(record(self.last_seq + n) for n in range(1, count + 1))
        self.records.extend(fresh)
        return fresh


@dataclass
class ConsumerDisk:
    """What one transaction writes: the effects and the cursor."""

    applied: list[int] = field(default_factory=list)
    journal: str | None = None

    def commit(self, records: tuple[Record, ...], journal: str | None) -> None:
        self.applied.extend(entry.seq for entry in records)
        self.journal = journal


class StreamSurvivesKills(RuleBasedStateMachine):
    """What was committed is applied once, in order, whatever is lost or killed; in the end, all of it."""

    @initialize(
        seed=st.integers(0, 2**32),
        loss=st.sampled_from([0.0, 0.1, 0.5]),
        duplicate=st.sampled_from([0.0, 0.3]),
        reorder=st.sampled_from([0.0, 0.3]),
        batch=st.sampled_from([1, 3, 500]),
    )
    def begin(self, seed: int, loss: float, duplicate: float, reorder: float, batch: int) -> None:
        self.network = Network(seed, loss, duplicate, reorder, delay=0.05)
        self.world = MemoryWorld(self.network)
        self.written, self.disk = ProducerDisk(), ConsumerDisk()
        self.batch = batch
        self.lives, self.told = 0, dict[str, int]()
        self.producer = self.next_life()
        self.consumer = self.born()

    def next_life(self) -> Producer:
        self.lives += 1
        self.told.clear()
        return Producer(self.world, self.written, life=str(self.lives))

    def born(self) -> Consumer:
        return Consumer(
            self.world,
            journal=self.disk.journal,
            after=len(self.disk.applied),
            batch=self.batch,
            room=20,
            latest=True,
        )

    @rule(count=st.integers(1, 30))
    def produce(self, count: int) -> None:
        self.producer.announce(self.written.commit(count))

    @rule(topic=st.sampled_from(["quote/A", "trade/A", "quote/B"]), count=st.integers(1, 5))
    def post(self, topic: str, count: int) -> None:
        for _ in range(count):
            self.told[topic] = self.told.get(topic, 0) + 1
            self.producer.post(topic, self.told[topic])

    @rule(count=st.integers(0, 30))
    def forget(self, count: int) -> None:
        """What the consumer is done with for good."""
        self.written.first_seq = min(self.written.first_seq + count, len(self.disk.applied) + 1)

    @rule()
    def tip(self) -> None:
        self.producer.tip()

    @rule(turns=st.integers(1, 100))
    def time_passes(self, turns: int) -> None:
        for _ in range(turns):
            self.world.advance(TICK_S)

    @rule(limit=st.integers(0, 20))
    def consume(self, limit: int) -> None:
        records = self.consumer.subscriber.take(limit)
        if records:
            self.disk.commit(records, self.consumer.subscriber.journal)

    @rule(point=st.sampled_from(CommitPoint))
    def kill_consumer(self, point: CommitPoint) -> None:
        if point is not CommitPoint.BEFORE_TAKING:
            records = self.consumer.subscriber.take(5)
            if point is CommitPoint.AFTER_COMMIT and records:
                self.disk.commit(records, self.consumer.subscriber.journal)
        self.consumer.kill()
        self.consumer = self.born()

    @rule(point=st.sampled_from(TellPoint), count=st.integers(1, 9))
    def kill_producer(self, point: TellPoint, count: int) -> None:
        if point is not TellPoint.BEFORE_COMMIT:
            records = self.written.commit(count)
            if point is TellPoint.AFTER_TELLING:
                self.producer.announce(records)
        self.producer.kill()
        self.producer = self.next_life()

    @invariant()
    def applied_is_a_prefix_of_committed(self) -> None:
        assert self.disk.applied == list(range(1, len(self.disk.applied) + 1))
        assert len(self.disk.applied) <= self.written.last_seq
        assert self.consumer.errors == []

    @invariant()
    def prices_are_news(self) -> None:
        heard: dict[tuple[str, str], int] = {}
        lives: list[str] = []
        for latest in self.consumer.prices:
            assert latest.nth > heard.get((latest.life, latest.topic), 0)
            heard[latest.life, latest.topic] = latest.nth
            if latest.life not in lives[-1:]:
                assert latest.life not in lives, "an ended life spoke again"
                lives.append(latest.life)

    def knows_the_newest(self) -> bool:
        self.producer.tip()
        self.world.advance(TICK_S)
        known = {it.topic: msgspec.msgpack.decode(it.body) for it in self.consumer.prices}
        return self.told.items() <= known.items()

    def teardown(self) -> None:
        if not hasattr(self, "network"):
            return
        self.network.loss = 0.0
        idle = 0
        while idle < 1000 and len(self.disk.applied) < self.written.last_seq:
            before = len(self.disk.applied)
            self.world.advance(TICK_S)
            self.consume(20)
            idle = idle + 1 if len(self.disk.applied) == before else 0
        assert self.disk.applied == [entry.seq for entry in self.written.records]
        self.prices_arrive()

    def prices_arrive(self) -> None:
        """The newest arrives though its own frame was lost, also at who comes late, also in the next life."""
        assert any(self.knows_the_newest() for _ in range(500))
        self.consumer.kill()
        self.consumer = self.born()
        assert any(self.knows_the_newest() for _ in range(500))
        self.producer.kill()
        self.producer = self.next_life()
        self.post("quote/A", 1)
        assert any(self.knows_the_newest() for _ in range(500))


TestStreamMachine = pytest.mark.req("X2")(pytest.mark.req("T1")(StreamSurvivesKills.TestCase))
TestStreamMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_the_network_is_deterministic() -> None:
    """The same seed loses, repeats and reorders the same frames; nothing moves before it is told to."""

    def heard(seed: int) -> list[bytes]:
        network, got = Network(seed, loss=0.3, duplicate=0.3, reorder=0.3, delay=1.0), list[bytes]()
        network.transport().subscriber("live", got.append, max_bytes=10)
        outlet = network.transport().publisher("live")
        for n in range(50):
            outlet.send(b"%d" % n)
        assert got == []
        network.run()
        return got

    assert heard(1) == heard(1)
    assert heard(1) != heard(2)
    assert heard(1) != sorted(heard(1), key=int)
