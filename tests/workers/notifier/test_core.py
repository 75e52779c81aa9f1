"""The notifier's core with a real journal behind it: each record makes its message once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from decimal import Decimal
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
from tests.workers.notifier.test_trades import closed, fill
from workers.notifier import outbox
from workers.notifier.core import HISTORY_MS, RECORDS_A_STEP, Around, NotifierCore, UnfitInput
from workers.notifier.day import Tally
from workers.notifier.kinds import Words
from workers.notifier.outbox import KEPT_SENT, TABLES, Outbox
from workers.notifier.repeats import FIRST_PAUSE_MS
from workers.notifier.rounds import Equity
from workers.notifier.state import CorruptState, Rhythm, restore

HOUR = 3_600_000
NOW = 1_000 * HOUR


class Desk:
    """A notifier core, its journal, and the two streams it reads."""

    def __init__(
        self, folder: Path | str, *, channels: tuple[str, ...] = ("telegram",), **rhythm: Any
    ) -> None:
        self.journal = Journal.open(Path(folder, "notifier.db"), stream="notifier", tables=TABLES)
        self.channels, self.rhythm = channels, Rhythm(**rhythm)
        self.streams: dict[str, list[Record]] = {"root": [], "broker": []}
        self.posted = 0
        self.at_ms = NOW
        self.boot = "boot-1"
        self.words = Words()
        self.equity: Callable[[int], Equity] = lambda _since_ms: ()
        self.revive()

    def revive(self) -> None:
        """Begin a new life from what is on disk."""
        outbox = Outbox(self.journal, self.channels)
        around = Around(
            channels=self.channels,
            boot=self.boot,
            queued=outbox.queued,
            total=outbox.total,
            posted=self._posted,
            equity=self._equity,
        )
        self.core = NotifierCore(restore(self.journal.state(), self.rhythm), self.words, around)
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

    def texts(self, kind: str = "%") -> list[str]:
        """Return the texts of a kind, oldest first."""
        query = "SELECT text FROM messages WHERE kind LIKE ? ORDER BY number"
        return [text for (text,) in self.journal.connection.execute(query, (kind,))]

    def waiting(self) -> list[str]:
        """Return the texts that wait to be sent."""
        query = (
            "SELECT text FROM messages JOIN deliveries USING (number) WHERE sent_ms IS NULL ORDER BY number"
        )
        return [text for (text,) in self.journal.connection.execute(query)]

    def _append(self, source: str, body: msgspec.Raw) -> None:
        stream = self.streams[source]
        stream.append(Record(len(stream) + 1, self.at_ms, body))

    def _cursor(self, source: str) -> int:
        cursor = self.journal.cursor(source)
        return cursor.seq if cursor else 0

    def _equity(self, since_ms: int) -> Equity:
        return self.equity(since_ms)

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
                desk.event("reloaded", what=f"event {told}")
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
    assert [text.split(" ")[0] for text in desk.waiting()] == ["Started", "Opened"]
    assert desk.core.counters() == {
        "sent": 0,
        "queued": 2,
        "strangers": 0,
        "last_heartbeat": None,
    }


@pytest.mark.req("N1")
def test_a_demo_says_so_and_tells_the_log_only(make_desk: Callable[..., Desk]) -> None:
    """A replay faster than life must not reach anybody's phone."""
    desk = make_desk()
    desk.event("root_started", config="demo", version="1", demo=True)
    desk.event("parked", "feed")
    desk.run()

    assert [text[:5] for text in desk.texts()] == ["DEMO ", "DEMO "]
    assert desk.waiting() == []
    assert desk.core.counters()["sent"] == 2


def test_trades_of_old_data_are_history(make_desk: Callable[..., Desk]) -> None:
    """A recording of long ago is told to the log; the tree's own events still go out."""
    desk = make_desk()
    for age in (HISTORY_MS + 1, HISTORY_MS):
        desk.account(msgspec.structs.replace(fill("buy", "1", "1"), at_ms=NOW - age))
    desk.event("parked", "feed")
    desk.run()

    assert len(desk.texts()) == 3
    assert len(desk.waiting()) == 2


@pytest.mark.req("N1")
def test_without_a_channel_everything_goes_to_the_log(make_desk: Callable[..., Desk]) -> None:
    """Nothing waits for somebody who will never come."""
    desk = make_desk(channels=())
    desk.event("restarting", "feed", attempt=1)
    desk.deliver("root")
    desk.core.advance(NOW / 1000, NOW)
    step = desk.core.step()

    assert step is not None
    (line,) = step.logs
    assert (line.level, line.message, line.facts["kind"]) == ("WARNING", "notification", "restarting")
    assert desk.core.counters()["queued"] == 0


@pytest.mark.req("X1")
def test_the_outbox_is_bounded(make_desk: Callable[..., Desk]) -> None:
    """Of what is sent only the last messages are kept."""
    desk = make_desk(channels=())
    for number in range(KEPT_SENT + 300):
        desk.event("reloaded", what=f"event {number}")
    desk.run()

    assert KEPT_SENT <= len(desk.texts()) <= KEPT_SENT + RECORDS_A_STEP


@pytest.mark.req("X1")
def test_a_backlog_of_thousands_costs_no_more_than_one_of_ten(make_desk: Callable[..., Desk]) -> None:
    """The next letter, the count and what is dropped come from an index, whatever waits."""
    desk = make_desk()
    queries = (outbox._NEXT, outbox._FORGET)
    for query in queries:
        plan = desk.journal.connection.execute(
            f"EXPLAIN QUERY PLAN {query}", ("telegram",) if query is outbox._NEXT else (1000,)
        ).fetchall()
        words = " ".join(str(row[-1]) for row in plan)
        assert "TEMP B-TREE" not in words
        assert "SCAN" not in words.replace("SCAN CONSTANT", "")


@pytest.mark.req("N1")
def test_a_heartbeat_comes_round_also_over_restarts(make_desk: Callable[..., Desk]) -> None:
    """Two hours after the last one, whoever lived in between; what was missed is sent once."""
    desk = make_desk(heartbeat_ms=2 * HOUR)
    desk.event("restarting", "feed")
    desk.run()
    assert desk.core._jobs["heartbeat"].remaining_ms(NOW) == 2 * HOUR

    desk.at_ms += HOUR
    desk.revive()
    desk.run()
    assert desk.core._jobs["heartbeat"].remaining_ms(desk.at_ms) == HOUR

    desk.at_ms += 9 * HOUR
    desk.run()
    assert desk.texts("heartbeat") == [
        "Alive: 0 fills, 0 trades closed, 1 restarts, 1 warnings in the last 2h"
    ]
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

    assert desk.texts("health") == ["Health: feed ready, strategy parked"]


def test_a_clock_set_back_does_not_silence_the_heartbeat(make_desk: Callable[..., Desk]) -> None:
    """Counting begins anew."""
    desk = make_desk(heartbeat_ms=HOUR)
    desk.turn()
    desk.at_ms -= 500 * HOUR
    desk.turn()

    assert desk.core._jobs["heartbeat"].remaining_ms(desk.at_ms) == HOUR


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
        restore(stored, Rhythm())


@pytest.mark.req("N1")
def test_after_a_reboot_the_first_message_says_how_long_the_host_was_away(
    make_desk: Callable[..., Desk],
) -> None:
    """It comes before what is told of the new start; a restart of the notifier alone is no reboot."""
    desk = make_desk()
    desk.event("root_started", config="mine", version="1")
    desk.run()
    desk.at_ms += 60_000
    desk.turn()
    desk.revive()
    desk.run()
    assert len(desk.texts("rebooted")) == 0

    desk.boot = "boot-2"
    desk.at_ms += 3 * HOUR + 120_000
    desk.revive()
    desk.event("root_started", config="mine", version="1")
    desk.run()
    desk.revive()
    desk.run()

    assert [text.split(",")[0] for text in desk.texts()[1:]] == [
        "The host was started again: the system was away for 3h 2m",
        "Started with mine",
    ]


@pytest.mark.req("N2")
def test_errors_of_one_kind_three_times_then_a_count_at_growing_distances(
    make_desk: Callable[..., Desk],
) -> None:
    """Those of another kind are told all the same; what went quiet is told again at once."""
    desk = make_desk()
    for number in range(10):
        desk.event("warning", "feed", what=f"no data for {number} s")
    desk.event("warning", "broker", what="disk slow")
    desk.run()
    assert len(desk.texts("warning")) == 4

    desk.at_ms += FIRST_PAUSE_MS
    desk.run()
    (summary,) = desk.texts("repeated")
    assert summary.startswith("7 more since 1970-02-11 16:00, the last of them: feed: no data for 9 s")

    desk.event("warning", "feed", what="no data for 11 s")
    desk.at_ms += FIRST_PAUSE_MS
    desk.run()
    assert len(desk.texts("repeated")) == 1
    desk.at_ms += FIRST_PAUSE_MS
    desk.revive()
    desk.run()
    assert len(desk.texts("repeated")) == 2

    desk.at_ms += 100 * FIRST_PAUSE_MS
    desk.run()
    desk.event("warning", "feed", what="no data for 1 s")
    desk.run()
    assert len(desk.texts("warning")) == 5


@pytest.mark.req("N1")
def test_the_summary_of_the_day(make_desk: Callable[..., Desk]) -> None:
    """Profit, trades, win rate, fees, drawdown, restarts, uptime, and the course of the equity."""
    desk = make_desk(daily_minute=0)
    desk.event("root_started", config="mine", version="1")
    desk.account(fill("buy", "1", "1"))
    desk.account(closed("12.5"))
    desk.account(closed("-2.5"))
    desk.event("restarting", "feed", reason="killed")
    desk.run()
    desk.equity = lambda since_ms: [
        (since_ms + i, Decimal(v)) for i, v in enumerate(("100", "120", "90", "110"))
    ]
    desk.at_ms += 24 * HOUR
    desk.run()

    assert desk.texts("daily") == [
        "Summary from 1970-02-11 16:00 UTC to 1970-02-12 16:00 UTC\n"
        "Profit 10, 2 trades closed, 50% won, fees 0.21\n"
        "Equity 110, largest drawdown 25.00%\n"
        "▃█▁▅\n"
        "1 restarts, up 1d"
    ]
    assert desk.core._state.day == Tally(since_ms=desk.at_ms)


@pytest.mark.req("N3")
def test_a_scheduled_message_that_fails_is_logged_and_tried_an_hour_later_while_the_others_go_on(
    make_desk: Callable[..., Desk],
) -> None:
    """The broker's database cannot be read: the heartbeat comes, the summary when it can be read again."""
    desk = make_desk(daily_minute=0, heartbeat_ms=HOUR)

    def broken(_since_ms: int) -> Equity:
        raise OSError("the disk is gone")

    desk.equity = broken
    desk.run()
    desk.at_ms += 24 * HOUR
    desk.core.advance(desk.at_ms / 1000, desk.at_ms)
    step = desk.core.step()
    assert step is not None
    assert [(line.level, line.message) for line in step.logs] == [
        ("INFO", "heartbeat"),
        ("ERROR", "scheduled message failed"),
    ]
    assert step.logs[1].facts["error"] == "OSError: the disk is gone"
    desk.equity = lambda _since_ms: ()
    desk.run()
    assert desk.texts("daily") == []
    desk.at_ms += HOUR - 1
    desk.run()
    assert desk.texts("daily") == []
    desk.at_ms += 1
    desk.run()
    assert len(desk.texts("daily")) == 1


@pytest.mark.req("N1")
def test_kinds_are_on_silent_or_off_and_say_what_the_user_likes(make_desk: Callable[..., Desk]) -> None:
    """As the configuration says."""
    desk = make_desk()
    desk.words = Words({"reloaded": "off", "parked": "silent"}, {"parked": "{child} is down! {{{reason}}}"})
    desk.revive()
    desk.event("reloaded")
    desk.event("parked", "feed", reason="crashed")
    desk.run()

    rows = desk.journal.connection.execute("SELECT text, silent FROM messages").fetchall()
    assert rows == [("feed is down! {crashed}", 1)]


def test_errors_that_the_root_has_seen_of_a_child_are_told(make_desk: Callable[..., Desk]) -> None:
    """With what the child said."""
    desk = make_desk()
    desk.core.complain("feed", "connection refused", 3)
    desk.run()

    assert desk.texts() == ["feed had an error: connection refused"]


@pytest.mark.req("N2")
def test_every_channel_has_its_own_line(make_desk: Callable[..., Desk]) -> None:
    """What one has taken still waits for the other."""
    desk = make_desk(channels=("telegram", "ntfy-1"))
    desk.event("parked", "feed")
    desk.run()
    box = Outbox(desk.journal, desk.channels)
    assert box.queued() == 2
    box.mark_sent("telegram", 1, NOW)

    assert box.next("telegram") is None
    assert box.next("ntfy-1") is not None
