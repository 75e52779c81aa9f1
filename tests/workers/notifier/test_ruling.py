"""From a chat to a broker: what is said there reaches its core through the journal of instructions."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from protocol.journal import Journal
from protocol.messages.trading import Quantity, Through, TradingChanged
from tests.support.deadline import until
from tests.support.telegram import FakeTelegram, telegram_server
from tests.workers.broker.bench import Bench, D, candle, order
from tests.workers.notifier.test_obeying import FakeRoot
from workers.broker.teller import Teller
from workers.notifier.books import Books
from workers.notifier.bot import Bot
from workers.notifier.delivery import always
from workers.notifier.listening import Listening
from workers.notifier.obeying import Obeying
from workers.notifier.outbox import TABLES, Outbox
from workers.shared.instructing import instructions_file


class Desk:
    """A broker's core that holds nothing, with the teller that reads its instructions."""

    def __init__(self, state_dir: Path, books: sqlite3.Connection) -> None:
        self.bench = Bench([candle(row, "100") for row in range(1, 7)], {"s": []}, contract="linear")
        self._teller = Teller(self.bench.core, instructions_file(state_dir, "broker"), books)

    def enter(self, row: int) -> list[str | None]:
        """Have the strategy ask for an entry; returns why it was denied, if so."""
        denied = len(self.bench.denials)
        self.bench.strategies["s"] += [order(row, size=Quantity(D(1))), Through(row)]
        self.bench.run()
        return self.bench.denials[denied:]

    def changes(self) -> list[tuple[str, str | None]]:
        """Look for instructions; how the trading state moved so far, and by whom."""
        if self._teller.look():
            while self.bench.turn():
                pass
        return [(o.state, o.detail) for o in self.bench.outputs if isinstance(o, TradingChanged)]


async def ruled(fake: FakeTelegram, listening: Listening, desk: Desk) -> None:
    """Pause and resume from the chat, with an entry after each."""
    task = asyncio.create_task(listening(lambda: None))
    try:
        fake.say("/pause", chat=666)
        fake.say("/pause")
        await until(lambda: len(desk.changes()) == 1, what="the pause", state=desk.changes)
        assert desk.changes() == [("reducing", "paused by telegram:42")]
        assert desk.enter(2) == ["paused"]
        fake.say("/resume")
        await until(lambda: len(desk.changes()) == 2, what="the resumption", state=desk.changes)
        assert desk.changes()[-1] == ("active", "reset by telegram:42")
        assert desk.enter(3) == []
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.req("N4")
def test_pause_and_resume_reach_the_broker(tmp_path: Path) -> None:
    """Entries are denied in between, and let in afterwards; what a stranger says does not get there."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broker.db").touch()
    books = Books(tmp_path, ("broker",))
    obeying = Obeying(tmp_path, FakeRoot(), books, ("broker",), lambda: "")  # type: ignore[arg-type]
    with telegram_server() as fake, closing(sqlite3.connect(":memory:")) as orders:
        journal = Journal.open(tmp_path / "n.db", stream="notifier", tables=TABLES)
        listening = Listening(
            Bot("1:x", fake.base_url),
            Outbox(journal, ("telegram",)),
            {"42": "telegram"},
            obeying.perform,
            posted=lambda: None,
            goes_out=always,
        )
        with closing(journal):
            asyncio.run(ruled(fake, listening, Desk(tmp_path, orders)))
