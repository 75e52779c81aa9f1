"""A notifier's core at its desk: a real journal, and the two streams it reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from protocol.codec import ACCOUNT, EVENTS
from protocol.journal import Cursor, Journal
from protocol.messages.notice import SupervisionEvent
from protocol.messages.stream import AccountRole, EventsRole, Record
from workers.notifier.core import Around, NotifierCore
from workers.notifier.kinds import Words
from workers.notifier.outbox import KEPT_UNSENT, TABLES, Outbox
from workers.notifier.rounds import Equity
from workers.notifier.state import Rhythm, restore

HOUR = 3_600_000
NOW = 1_000 * HOUR


class Desk:
    """A notifier core, its journal, and the two streams it reads."""

    def __init__(
        self,
        folder: Path | str,
        *,
        channels: tuple[str, ...] = ("telegram",),
        keep_unsent: int = KEPT_UNSENT,
        **rhythm: Any,
    ) -> None:
        self.journal = Journal.open(Path(folder, "notifier.db"), stream="notifier", tables=TABLES)
        self.channels, self.rhythm = channels, Rhythm(**rhythm)
        self.keep_unsent = keep_unsent
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
            keep_unsent=self.keep_unsent,
            queued=outbox.queued,
            queued_in=outbox.queued_in,
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
