"""The notifier's core with a real journal behind it: each record makes its message once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import ACCOUNT, EVENTS
from protocol.journal import Cursor, Journal
from protocol.messages.market import Instrument
from protocol.messages.notice import SupervisionEvent
from protocol.messages.stream import AccountRole, EventsRole, MarketRole, Record
from protocol.messages.trading import Through
from tests.workers.notifier.test_wording import fill
from workers.notifier.core import HISTORY_MS, NotifierCore, UnfitInput
from workers.notifier.outbox import KEPT_SENT, TABLES, Outbox
from workers.notifier.state import CorruptState, restore

HOUR = 3_600_000
NOW = 1_000 * HOUR


class Desk:
    """A notifier core, its journal, and the two streams it reads."""

    def __init__(
        self, folder: Path | str, *, sends: bool = True, heartbeat_ms: int = 0, health_ms: int = 0
    ) -> None:
        self.journal = Journal.open(Path(folder, "notifier.db"), stream="notifier", tables=TABLES)
        self.sends, self.intervals = sends, {"heartbeat_ms": heartbeat_ms, "health_ms": health_ms}
        self.streams: dict[str, list[Record]] = {"root": [], "broker": []}
        self.posted = 0
        self.at_ms = NOW
        self.revive()

    def revive(self) -> None:
        """Begin a new life from what is on disk."""
        state = restore(self.journal.state(), **self.intervals)
        outbox = Outbox(self.journal)
        self.core = NotifierCore(state, sends=self.sends, queued=outbox.queued, posted=self._posted)
        self.core.introduce("root", EventsRole())
        self.core.introduce("broker", AccountRole())
        self.received = {source: self._cursor(source) for source in self.streams}

    def event(self, event: str, child: str | None = None, **facts: Any) -> None:
        """Have the root record an event now."""
        body = EVENTS.encode(SupervisionEvent(event=event, child=child, facts=facts))
        self._append("root", body)

    def account(self, message: Any) -> None:
        """Have the broker record something."""
        self._append("broker", ACCOUNT.encode(message))

    def deliver(self, source: str, limit: int = 1000) -> None:
        """Hand over the records that come next."""
        after = self.received[source]
        fresh = self.streams[source][after : after + min(limit, self.core.room(source))]
        self.core.receive(source, fresh)
        self.received[source] += len(fresh)

    def turn(self) -> bool:
        """Take one step and commit it."""
        self.core.advance(self.at_ms / 1000, self.at_ms)
        step = self.core.step()
        if step is None:
            return False
        self.journal.commit(
            at_ms=step.at_ms,
            cursors={source: Cursor("j", seq) for source, seq in step.cursors.items()},
            state=step.state,
            statements=[(write.sql, write.parameters) for write in step.writes],
        )
        return True

    def run(self) -> None:
        """Deliver and step until nothing moves."""
        self.deliver("root")
        self.deliver("broker")
        while self.turn():
            self.deliver("root")
            self.deliver("broker")

    def texts(self, where: str = "1") -> list[str]:
        """Return the texts in the outbox, oldest first."""
        rows = self.journal.connection.execute(f"SELECT text FROM outbox WHERE {where} ORDER BY number")
        return [text for (text,) in rows]

    def _append(self, source: str, body: msgspec.Raw) -> None:
        stream = self.streams[source]
        stream.append(Record(len(stream) + 1, self.at_ms, body))

    def _cursor(self, source: str) -> int:
        cursor = self.journal.cursor(source)
        return cursor.seq if cursor else 0

    def _posted(self) -> None:
        self.posted += 1


@pytest.fixture
def make_desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Give a maker of desks; their journals are closed afterwards."""
    made: list[Desk] = []

    def make(**keys: Any) -> Desk:
        made.append(Desk(tmp_path, **keys))
        return made[-1]

    yield make
    for desk in made:
        desk.journal.close()


@pytest.mark.req("N2")
@settings(max_examples=60)
@given(st.lists(st.sampled_from(["event", "fill", "root", "broker", "step", "kill"]), max_size=50))
def test_each_record_is_in_the_outbox_once_whatever_is_killed(script: list[str]) -> None:
    """Batches, restarts and kills between steps neither lose nor double a message."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(folder)
        told = act_out(desk, script)
        texts = desk.texts()
        desk.journal.close()

    assert len(texts) == len(set(texts)) == told


def act_out(desk: Desk, script: list[str]) -> int:
    """Do what the script says, then all that is left; return how many messages there were to tell."""
    told = 0
    for act in script:
        match act:
            case "event":
                told += 1
                desk.event("warning", "feed", what=f"event {told}")
            case "fill":
                told += 1
                desk.account(fill("buy", str(told), str(told)))
            case "step":
                desk.turn()
            case "kill":
                desk.revive()
            case source:
                desk.deliver(source, 3)
    desk.run()
    return told


@pytest.mark.req("N1")
def test_trades_and_events_wait_to_be_sent_and_the_sender_is_told(make_desk: Callable[..., Desk]) -> None:
    """The sender hears of them after they are on disk."""
    desk = make_desk()
    desk.event("root_started", config="mine", version="1")
    desk.account(msgspec.structs.replace(fill("buy", "1", "1"), at_ms=NOW))
    desk.account(Through(3))
    desk.deliver("root")
    desk.deliver("broker")

    assert desk.turn()
    assert desk.posted == 0
    assert not desk.turn()
    assert desk.posted == 1
    assert [text.split(" ")[0] for text in desk.texts("sent_ms IS NULL")] == ["Started", "Opened"]
    assert desk.core.counters() == {"sent": 0, "queued": 2, "last_heartbeat": None}


@pytest.mark.req("N1")
def test_a_demo_says_so_and_tells_the_log_only(make_desk: Callable[..., Desk]) -> None:
    """A replay faster than life must not reach anybody's phone."""
    desk = make_desk()
    desk.event("root_started", config="demo", version="1", demo=True)
    desk.event("parked", "feed")
    desk.run()

    assert [text[:5] for text in desk.texts("sent_ms IS NOT NULL")] == ["DEMO ", "DEMO "]
    assert desk.core.counters()["sent"] == 2


def test_trades_of_old_data_are_history(make_desk: Callable[..., Desk]) -> None:
    """A recording of long ago is told to the log; the tree's own events still go out."""
    desk = make_desk()
    for age in (HISTORY_MS + 1, HISTORY_MS):
        desk.account(msgspec.structs.replace(fill("buy", "1", "1"), at_ms=NOW - age))
    desk.event("parked", "feed")
    desk.run()

    assert len(desk.texts("sent_ms IS NOT NULL")) == 1
    assert len(desk.texts("sent_ms IS NULL")) == 2


@pytest.mark.req("N1")
def test_without_a_channel_everything_goes_to_the_log(make_desk: Callable[..., Desk]) -> None:
    """Nothing waits for somebody who will never come."""
    desk = make_desk(sends=False)
    desk.event("restarting", "feed", attempt=1)
    desk.deliver("root")
    desk.core.advance(NOW / 1000, NOW)
    step = desk.core.step()

    assert step is not None
    (line,) = step.logs
    assert (line.level, line.message, line.facts["kind"]) == ("WARNING", "notification", "restarting")
    assert step.writes[0].parameters[-1] == NOW


@pytest.mark.req("X1")
def test_the_outbox_is_bounded(make_desk: Callable[..., Desk]) -> None:
    """Of what is sent only the last messages are kept."""
    desk = make_desk(sends=False)
    for number in range(KEPT_SENT + 300):
        desk.event("warning", "feed", what=f"event {number}")
    desk.run()

    assert len(desk.texts()) == KEPT_SENT


@pytest.mark.req("N1")
def test_a_heartbeat_comes_round_also_over_restarts(make_desk: Callable[..., Desk]) -> None:
    """Two hours after the last one, whoever lived in between; what was missed is sent once."""
    desk = make_desk(heartbeat_ms=2 * HOUR)
    desk.event("restarting", "feed")
    desk.run()
    assert desk.core.deadline == NOW / 1000 + 7200

    desk.at_ms += HOUR
    desk.revive()
    desk.run()
    assert desk.core.deadline == desk.at_ms / 1000 + 3600

    desk.at_ms += 9 * HOUR
    desk.run()
    assert desk.texts("kind = 'heartbeat'") == ["Alive: 0 trades, 1 restarts, 1 warnings in the last 2h"]
    assert desk.core.counters()["last_heartbeat"] == "1970-02-12T02:00:00.000Z"


@pytest.mark.req("N1")
def test_health_tells_how_each_child_was_last_seen(make_desk: Callable[..., Desk]) -> None:
    """By name."""
    desk = make_desk(health_ms=HOUR)
    desk.event("ready", "feed")
    desk.event("parked", "strategy")
    desk.run()
    desk.at_ms += HOUR
    desk.run()

    assert desk.texts("kind = 'health'") == ["Health: feed ready, strategy parked"]


def test_a_clock_set_back_does_not_silence_the_heartbeat(make_desk: Callable[..., Desk]) -> None:
    """Counting begins anew."""
    desk = make_desk(heartbeat_ms=HOUR)
    desk.turn()
    desk.at_ms -= 500 * HOUR
    desk.turn()

    assert desk.core.deadline == desk.at_ms / 1000 + 3600


def test_a_market_is_no_input(make_desk: Callable[..., Desk]) -> None:
    """The sentence names the key."""
    desk = make_desk()
    role = MarketRole(symbol="X", timeframe="1m", instrument=Instrument(), lockstep=True)
    with pytest.raises(UnfitInput, match="'feed' of the notifier sends market"):
        desk.core.introduce("feed", role)


@pytest.mark.req("B5")
@pytest.mark.parametrize("stored", [b"", b"\x80", b"garbage"])
def test_a_state_that_cannot_be_read_needs_a_person(stored: bytes) -> None:
    """The sentence says what to do."""
    with pytest.raises(CorruptState, match="backup"):
        restore(stored, heartbeat_ms=0, health_ms=0)
