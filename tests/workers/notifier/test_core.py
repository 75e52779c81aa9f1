"""The notifier's core with a real journal behind it: each record makes its message once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages.market import Instrument
from protocol.messages.stream import MarketRole
from protocol.messages.trading import Through
from tests.workers.notifier.desk import NOW, Desk
from tests.workers.notifier.test_trades import fill
from workers.notifier.core import HISTORY_MS, RECORDS_A_STEP, UnfitInput
from workers.notifier.kinds import Words
from workers.notifier.outbox import KEPT_SENT, Outbox
from workers.notifier.state import CorruptState, Rhythm, restore


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


@pytest.mark.req("N2")
def test_no_fewer_than_none_were_sent_with_two_channels(make_desk: Callable[..., Desk]) -> None:
    """Both figures count letters: one a channel, of which some are sent and the others wait."""
    desk = make_desk(channels=("telegram", "ntfy-1"))
    for number in range(5):
        desk.event("parked", f"feed-{number}")
    desk.run()
    counters = desk.core.counters()
    assert (counters["sent"], counters["queued"]) == (0, 10)
    Outbox(desk.journal).mark_sent("telegram", 1, NOW)

    counters = desk.core.counters()
    assert (counters["sent"], counters["queued"]) == (1, 9)
