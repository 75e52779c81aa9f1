"""What operators tell a broker: once, over restarts, on record with its outcome."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from protocol.messages.instruction import (
    CancelOrder,
    Instructed,
    Instruction,
    KillSwitch,
    Pause,
    PlaceOrder,
    Resume,
)
from protocol.messages.trading import (
    Cancel,
    OrderChanged,
    Through,
    TradeClosed,
    TradingChanged,
    WholePosition,
)
from tests.workers.broker.bench import MINUTE, ONE, Bench, D, bar, candle, order
from tests.workers.broker.pit import T0, Live
from workers.broker.core import BrokerCore
from workers.broker.instructions import STALE_MS, Told
from workers.broker.rules import Rules
from workers.broker.state import restore
from workers.broker.teller import Teller
from workers.shared.instructing import instruct, instructions_file

ROWS = [candle(row, "100") for row in range(1, 9)]


def told(bench: Bench, *instructions: Instruction, at_ms: int = 0) -> None:
    """Tell the broker, as its teller does, and let it step."""
    first = bench.core.instructed("j") + 1
    given = [
        Told(seq, Instructed(id=f"i{seq}", by="cli", at_ms=at_ms, instruction=one))
        for seq, one in enumerate(instructions, first)
    ]
    bench.core.instruct("j", given)
    while bench.turn():
        pass


def given(seq: int, instruction: Instruction) -> Instructed:
    """Return an instruction of the command line."""
    return Instructed(id=f"i{seq}", by="cli", at_ms=0, instruction=instruction)


def through(bench: Bench, row: int, *wishes: Any) -> None:
    """Let the strategy say something and finish a row."""
    bench.strategies["s"] += [*wishes, Through(row)]
    bench.run()


def changes(bench: Bench) -> list[tuple[str, str, str | None]]:
    """Return how the trading state moved."""
    return [(o.state, o.trigger, o.strategy) for o in bench.outputs if isinstance(o, TradingChanged)]


@pytest.fixture
def bench() -> Bench:
    """Give a broker whose strategy is through row 1; nothing is held."""
    made = Bench(ROWS, {"s": []}, contract="linear")
    through(made, 1)
    return made


@pytest.mark.req("B6")
def test_a_pause_refuses_entries_and_lets_exits_through(bench: Bench) -> None:
    """Until somebody resumes; kept over a restart."""
    through(bench, 2, order(2, size=ONE))
    told(bench, Pause())
    bench.revive()
    out = order(4, "sell", size=ONE, reduce_only=True)
    through(bench, 4, order(4, size=ONE, leg=1), out)
    assert bench.denials == ["paused"]

    through(bench, 5)
    assert [fill.client_order_id for fill in bench.fills] == ["s-2-0", "s-4-0"]

    told(bench, Resume())
    through(bench, 6, order(6, size=ONE))
    assert bench.denials == ["paused"]
    assert changes(bench) == [("reducing", "operator", None), ("active", "operator", None)]


@pytest.mark.req("B6")
def test_a_pause_of_one_strategy_touches_no_other(bench: Bench) -> None:
    """By its id."""
    told(bench, Pause(strategy="other"))
    through(bench, 2, order(2, size=ONE), order(2, size=ONE, strategy="other"))

    assert [o.strategy for o in bench.outputs if isinstance(o, OrderChanged) and o.code == "paused"] == [
        "other"
    ]


@pytest.mark.req("B6")
def test_the_kill_switch_cancels_closes_and_halts_until_two_words_are_said(bench: Bench) -> None:
    """Off alone does not trade again: a resume must follow."""
    resting = order(2, size=ONE, leg=1, kind="limit", limit=D(50))
    through(bench, 2, order(2, size=ONE), resting)
    through(bench, 3)
    told(bench, KillSwitch(on=True), Resume())
    through(bench, 4, order(4, size=ONE))
    (closed,) = [o for o in bench.outputs if isinstance(o, TradeClosed)]
    assert (closed.reason, bench.denials) == ("kill_switch", ["halted"])
    assert bench.core.condition().critical
    assert bench.rows("SELECT status, code FROM orders WHERE kind = 'limit'") == [
        ("cancelled", "kill_switch")
    ]

    told(bench, KillSwitch(on=False))
    halt, lifted = [o for o in bench.outputs if isinstance(o, TradingChanged)][-2:]
    assert [(o.state, o.trigger, o.critical) for o in (halt, lifted)] == [
        ("halted", "operator", False),  # somebody is there: nobody need be woken
        ("halted", "kill_switch", True),
    ]
    through(bench, 5, order(5, size=ONE))
    assert bench.denials == ["halted", "halted"]

    told(bench, Resume())
    through(bench, 6, order(6, size=ONE))
    assert bench.denials == ["halted", "halted"]
    assert bench.core.condition().reasons == ()


@pytest.mark.req("B1")
def test_an_order_by_hand_is_placed_once_and_under_the_name_manual(bench: Bench) -> None:
    """The next row fills it; told again, it is the same order; an id of long ago is denied."""
    wish = replace(order(1, size=ONE, name="m"), strategy="whoever")
    told(bench, PlaceOrder(order=wish), PlaceOrder(order=wish))
    through(bench, 2)
    assert [(f.client_order_id, f.strategy, f.reason) for f in bench.fills] == [("m", "manual", "manual")]

    used = Instructed(id="x", by="http", at_ms=0, instruction=PlaceOrder(order=wish))
    bench.core.instruct("j", [Told(9, used, used=True)])
    bench.run()
    assert bench.denials == ["duplicate_id"]
    outcomes = bench.rows("SELECT kind, outcome FROM instructions")
    denied = "denied: duplicate_id, the id m belongs to an order with other content"
    assert outcomes == [("place_order", "accepted")] * 2 + [("place_order", denied)]


@pytest.mark.req("B1")
def test_an_order_by_hand_expired_by_the_wall_clock(bench: Bench) -> None:
    """What it is given to live is counted in time of the data, from when the broker takes it on."""
    wish = order(0, size=ONE, name="m", kind="limit", limit=D(50))
    told(bench, PlaceOrder(order=wish, expires_in_ms=2 * MINUTE))
    taken_ms = restore(bench.state, bench.cash).at_ms
    assert bench.rows("SELECT status, expires_ms FROM orders") == [("accepted", taken_ms + 2 * MINUTE)]

    through(bench, 6)
    assert bench.rows("SELECT status FROM orders") == [("expired",)]


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    ("age_ms", "outcome"),
    [(STALE_MS, "accepted"), (STALE_MS + 1, "denied: stale, given more than 60 s ago")],
)
def test_an_order_by_hand_that_waited_for_the_broker_is_stale(age_ms: int, outcome: str) -> None:
    """Whoever gave it had seen another market."""
    live = Live().quote("100", "100.1", now=0).at(age_ms)
    told(live.bench, PlaceOrder(order=order(0, size=ONE, name="m")), at_ms=T0)

    assert live.bench.rows("SELECT outcome FROM instructions") == [(outcome,)]


def test_a_denied_order_by_hand_did_not_say_why(bench: Bench) -> None:
    """Its outcome has the code and the sentence, also when it is told a second time."""
    first = order(0, size=ONE, name="m", kind="limit", limit=D(50))
    another = replace(first, limit=D(51))
    short = order(0, "sell", size=WholePosition(), name="n")
    told(bench, *(PlaceOrder(order=wish) for wish in (first, another, another, short)))

    (yes, *twice, size) = [str(o) for (o,) in bench.rows("SELECT outcome FROM instructions ORDER BY rowid")]
    assert yes == "accepted"
    assert twice == ["denied: duplicate_id, the id m belongs to an order with other content"] * 2
    assert size == "denied: invalid_size, the whole position can only be reduced: set reduce_only"


@pytest.mark.req("B6")
def test_a_resume_said_nothing_of_the_kill_switch(bench: Bench) -> None:
    """It names what has to be done first, whether it lifted something else or not."""
    told(bench, KillSwitch(on=True), Resume(), Pause(), Resume())

    words = [str(o) for (o,) in bench.rows("SELECT outcome FROM instructions WHERE kind = 'resume'")]
    end = ", but the kill switch is on: switch it off first, then resume"
    assert words == [f"there was nothing to resume{end}", f"done{end}"]


def test_an_operator_cancels_whoevers_order(bench: Bench) -> None:
    """And is told in words when there is none; a code alone was not enough."""
    through(bench, 2, order(2, size=ONE, kind="limit", limit=D(50)))
    cancel = Cancel(client_order_id="c1", strategy="manual", row=0, leg=0, target="s-2-0", decided_ms=0)
    told(bench, CancelOrder(cancel=cancel), CancelOrder(cancel=replace(cancel, client_order_id="c2")))

    assert bench.rows("SELECT status FROM orders") == [("cancelled",)]
    assert bench.rows("SELECT outcome FROM instructions") == [
        ("done",),
        ("denied: unknown_order, no order 's-2-0' is working",),
    ]


@pytest.mark.req("B5")
def test_an_instruction_is_followed_once_whatever_is_killed(bench: Bench) -> None:
    """The cursor moves with the effect; another journal begins anew."""
    told(bench, Pause())
    assert bench.core.instructed("j") == 1
    bench.revive()

    assert bench.core.instructed("j") == 1
    assert bench.core.instructed("another") == 0


def stranger(bench: Bench) -> None:
    """Begin a new life that has met nobody yet."""
    bench.core = BrokerCore(["feed", "s"], restore(bench.state, bench.cash), Rules(terms=bench.terms))


@pytest.mark.req("B6")
def test_a_pause_counts_before_the_market_is_known_and_over_a_restart() -> None:
    """What an operator told before it waits its turn, and nothing is lost."""
    bench = Bench(ROWS, {"s": [order(1), Through(8)]})
    stranger(bench)
    told(bench, PlaceOrder(order=order(0, name="m")), Pause())
    assert bench.core.condition().reasons == ("account reducing: operator",)
    assert bench.rows("SELECT kind, outcome FROM instructions") == [("pause", "done")]
    assert bench.core.step() is None

    bench.revive()
    bench.core.instruct(
        "j", [Told(1, given(1, PlaceOrder(order=order(0, name="m")))), Told(2, given(2, Pause()))]
    )
    bench.run()
    assert changes(bench) == [("reducing", "operator", None)]
    assert bench.denials == ["no_price", "paused"]
    assert bench.rows("SELECT kind, outcome FROM instructions ORDER BY kind") == [
        ("pause", "done"),
        ("place_order", "denied: no_price, no price has been seen yet"),
    ]
    assert bench.core.instructed("j") == 2


@pytest.mark.req("B6")
def test_the_kill_switch_counts_before_the_market_is_known_and_closes_when_it_is(bench: Bench) -> None:
    """What is held and what rests is dealt with at the first price, once, whatever is killed meanwhile."""
    resting = order(2, size=ONE, leg=1, kind="limit", limit=D(50))
    through(bench, 2, order(2, size=ONE), resting)
    through(bench, 3)
    stranger(bench)
    told(bench, KillSwitch(on=True))
    assert bench.core.condition().critical
    assert "in force" in str(bench.rows("SELECT outcome FROM instructions"))

    bench.revive()
    bench.core.instruct("j", [Told(1, given(1, KillSwitch(on=True)))])
    through(bench, 5, order(5, size=ONE))
    assert [fill.reason for fill in bench.fills][1:] == ["kill_switch"]
    assert bench.denials == ["halted"]
    assert bench.rows("SELECT outcome FROM instructions") == [("done",)]
    assert bench.rows("SELECT code FROM orders WHERE kind = 'limit'") == [("kill_switch",)]


def test_what_is_told_in_order_before_the_market_is_known_ends_as_it_would_have() -> None:
    """A word that loosens waits behind those that were told before it."""
    bench = Bench(ROWS, {"s": []})
    stranger(bench)
    told(bench, Pause(), Resume(), Pause(strategy="x"), Resume(strategy="x"))
    told(bench, KillSwitch(on=True), KillSwitch(on=False), Resume())
    assert len(bench.core.condition().reasons) == 3

    for source, role in bench.roles().items():
        bench.core.introduce(source, role)
    bench.run()
    assert bench.core.condition().reasons == ()


@pytest.mark.req("B6")
def test_a_stop_goes_on_protecting_while_entries_are_refused() -> None:
    """Exits are always allowed."""
    stop = order(3, "sell", size=ONE, kind="stop", stop=D(90), reduce_only=True)
    bench = Bench([*ROWS[:4], bar(5, "100", "100", "80", "80")], {"s": []}, contract="linear")
    through(bench, 1)
    through(bench, 2, order(2, size=ONE))
    through(bench, 3, stop)
    told(bench, Pause())
    through(bench, 5)

    assert bench.fills[-1].price == D("89.99")


class Ear:
    """Takes what a teller brings."""

    def __init__(self) -> None:
        self.heard: list[Told] = []
        self.journal = ""

    def instruct(self, journal: str, told: Sequence[Told]) -> None:
        """Keep it."""
        self.journal = journal
        self.heard.extend(told)

    def instructed(self, journal: str) -> int:
        """Return how many were heard of this journal."""
        return self.heard[-1].seq if self.heard and journal == self.journal else 0


def test_the_teller_brings_what_is_new_and_says_which_ids_are_used(tmp_path: Path) -> None:
    """From the first word that is ever written, however late the file appears; damage is borne."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broker.db").touch()
    books = sqlite3.connect(":memory:")
    books.execute("CREATE TABLE orders (client_order_id TEXT)")
    books.execute("INSERT INTO orders VALUES ('old')")
    ear, path = Ear(), instructions_file(tmp_path, "broker")
    teller = Teller(ear, path, books)
    assert not teller.look()

    for name in ("old", "new"):
        instruct(tmp_path, "broker", PlaceOrder(order=order(1, name=name)), "cli", 1)
    assert teller.look()
    assert [one.used for one in ear.heard] == [True, False]
    assert not teller.look()

    instruct(tmp_path, "broker", Resume(), "cli", 2)
    assert teller.look()
    assert [one.seq for one in ear.heard] == [1, 2, 3]

    path.write_bytes(b"not a database at all")
    assert not teller.look()
    books.close()


def test_the_teller_wakes_the_shell(tmp_path: Path) -> None:
    """As a service beside the core."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broker.db").touch()
    instruct(tmp_path, "broker", Resume(), "cli", 1)
    books = sqlite3.connect(":memory:")

    async def scene() -> None:
        woken = asyncio.Event()
        ear = Ear()
        task = asyncio.create_task(Teller(ear, instructions_file(tmp_path, "broker"), books).serve(woken.set))
        await asyncio.wait_for(woken.wait(), 5)
        task.cancel()
        assert len(ear.heard) == 1

    asyncio.run(scene())
    books.close()
