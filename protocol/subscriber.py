"""The consumer's half of the reliable stream: what to ask for, and which records are ready. No sockets.

Subscribe first, then ask for the past, then drop what is not newer. Three positions, never confused::

    taken <= received <= known
      |          |         `- the newest seq that the producer is known to have
      |          `----------- all records up to here are here, in order
      `---------------------- handed out by take(); the consumer commits it as its cursor

A producer may have lost its last records with the power of the machine. It then says so (``Past.former``),
and whoever knows the records by a key of their own goes back to what is certain and reads on from there; for
all others that is the end: nothing is skipped.

Live records beyond a hole are held (within a bound) until the past has filled it. Everything that the
bound or the network drops is asked for again: a live record is only the fast path.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from protocol.errors import HistoryLost, JournalReplaced
from protocol.latest import Watch
from protocol.messages.stream import EventsRole, Fetch, Latest, Live, Past, Record, Role, Tip

RETRY_S: Final = 1.0
"""Wait for an answer before asking again; doubled at each silence."""

RETRY_MAX_S: Final = 5.0
"""The longest wait. Questions to an absent producer queue up, so they must be few."""

IDLE_S: Final = 5.0
"""Ask although nothing seems to be missing, when nothing was heard for so long."""

BUFFERED_BATCHES: Final = 4
"""How many batches may wait here, in order and held, each."""


def never(role: Role) -> bool:
    """Say of every producer that its records are known by their numbers only."""
    return False


class Subscriber:
    """Follows the stream of ``source`` from the cursor (``journal``, ``after``).

    ``journal`` None: there is no cursor yet, and the first journal met is accepted. ``batch`` is the most
    records asked for at a time. The caller sends what :meth:`poll` returns, passes on what arrives, and
    takes records when it can handle them. Times are monotonic seconds.

    ``rewinds`` says of which producers records may be read again under the same or other numbers.

    ``latest``: live prices are wanted too, so that the first question, the first to each new life of the
    producer, and the first after a hole in what it told, asks for the newest.
    """

    def __init__(
        self,
        source: str,
        *,
        journal: str | None,
        after: int,
        batch: int = 500,
        latest: bool = False,
        rewinds: Callable[[Role], bool] = never,
    ) -> None:
        self.source = source
        self._journal = journal
        self._role: Role | None = None
        self._batch = batch
        self._bound = batch * BUFFERED_BATCHES
        self._taken = self._received = self._known = after
        self._ready: deque[Record] = deque()
        self._held: dict[int, Record] = {}
        self._heard: dict[str, int] = {}
        self._outstanding: int | None = None
        self._asked_at = -math.inf
        self._due = -math.inf
        self._patience = RETRY_S
        self._open = True
        self._latest, self._rewinds = latest, rewinds
        self.rewound_from: int | None = None
        self.passed_over: tuple[int, int] | None = None
        self._watch = Watch()
        self._questions = self._answered = 0

    @property
    def role(self) -> Role | None:
        """What the producer is; None before it first answered."""
        return self._role

    @property
    def journal(self) -> str | None:
        """The id that belongs into the cursor; None before the first contact without a cursor."""
        return self._journal

    @property
    def position(self) -> int:
        """The seq of the last record taken."""
        return self._taken

    @property
    def caught_up(self) -> bool:
        """Whether the producer has answered and all that it is known to have was taken."""
        return self._role is not None and self._taken >= self._known

    @property
    def next_deadline(self) -> float:
        """When :meth:`poll` is to be called although nothing came; in the past: now.

        Infinite while only more room can change anything.
        """
        return self._due if self._open else math.inf

    def poll(self, now: float, room: int) -> Fetch | None:
        """What to ask the producer now, if anything.

        ``room`` is how many further records the consumer can handle; nothing is asked while what is ready
        fills it. Whatever is returned counts as sent; when it could not be, it is asked again later.
        """
        latest = self._latest and self._watch.wanted
        # Live prices are wanted also by who has no room for records: one more can always wait here.
        wanted = max(min(self._batch, room - len(self._ready)), int(latest))
        self._open = wanted > 0
        if wanted <= 0 or now < self._due:
            return None
        self._outstanding = self._received
        self._asked_at = now
        self._due = now + self._patience
        self._patience = min(self._patience * 2, RETRY_MAX_S)
        self._questions += self._latest
        return Fetch(after=self._received, limit=wanted, latest=latest, question=self._questions)

    def on_past(self, past: Past, now: float) -> tuple[Latest, ...]:
        """Take an answer, also a late or repeated one; returns the live prices in it that are news.

        Raises JournalReplaced or HistoryLost, and then changes nothing. What is no longer kept is passed over
        instead by a newcomer, who has no cursor and so loses nothing, and among supervision events.
        """
        certain = self._certain(past)
        if past.first_seq > min(self._received, certain) + 1:
            if self._journal is not None and not isinstance(past.role, EventsRole):
                raise HistoryLost(self.source, cursor=min(self._received, certain), first_seq=past.first_seq)
            certain = self._pass_over(certain, past.first_seq)
        if certain < self._received:
            self._rewind(certain, now)
        current = self._met(past)
        self._journal, self._role = past.journal, past.role
        before = self._received
        self._known = max(self._known, past.last_seq, self._heard.pop(past.journal, 0))
        self._heard.clear()
        self._absorb(past.records)
        if past.after == self._outstanding:
            self._settle(now, progress=self._received > before)
        return self._watch.answered(past.life, past.latest) if current and past.with_latest else ()

    def on_latest(self, latest: Latest) -> bool:
        """Whether a live price is news; always False for who wants none."""
        return self._latest and self._watch.news(latest)

    def on_broadcast(self, message: Live | Tip, now: float) -> None:
        """Take a live message; harmless whatever it says, since only :meth:`on_past` decides what is true."""
        if self._role is None or message.journal != self._journal:
            self._hear(message, now)
        else:
            self._follow(message, now)
        if isinstance(message, Tip):
            self._greet(message, now)

    def take(self, limit: int) -> tuple[Record, ...]:
        """At most ``limit`` records that come next: each once, in order, without holes."""
        count = min(limit, len(self._ready))
        records = tuple(self._ready.popleft() for _ in range(count))
        if records:
            self._taken = records[-1].seq
        return records

    def _follow(self, message: Live | Tip, now: float) -> None:
        was_behind = self._received < self._known
        self._known = max(self._known, _newest(message))
        if isinstance(message, Live):
            self._absorb(message.records)
        if self._received < self._known:
            self._ask_soon(now, at_once=not was_behind)
        elif self._outstanding is None:
            self._due = now + IDLE_S

    def _certain(self, past: Past) -> int:
        """Up to which seq what was received is still what the producer has; at most ``received``.

        Raises JournalReplaced when it is not all, and this consumer cannot go back.
        """
        expected = self._journal or past.journal
        certain = _left_of(expected, past)
        # Compared with what the question said: an answer overtaken by live records is old, not short.
        ahead = past.last_seq < past.after if certain is None else certain < self._received
        if past.journal == expected and not ahead:
            return self._received
        if (past.journal != expected and certain is None) or (ahead and not self._rewinds(past.role)):
            raise JournalReplaced(
                self.source, expected, past.journal, cursor=self._received, last_seq=past.last_seq
            )
        return min(self._received, past.last_seq if certain is None else certain)

    def _pass_over(self, certain: int, first_seq: int) -> int:
        # What supervision told long ago is no part of anybody's books: to be without a notifier is worse. And
        # a worker that is added to a tree of months begins with what there is.
        self.passed_over = (min(self._taken, certain) + 1, first_seq - 1)
        self._rewind(first_seq - 1, self._asked_at)
        self.rewound_from = None
        return self._received

    def _rewind(self, certain: int, now: float) -> None:
        self.rewound_from = self._received
        self._taken = self._received = certain
        self._known = 0
        self._ready.clear()
        self._held.clear()
        self._outstanding, self._due = None, now

    def _met(self, past: Past) -> bool:
        """Learn which life answers; whether its prices are for us. One overtaken may be of an ended life."""
        if past.question < self._answered:
            return False
        self._answered = past.question
        return self._watch.meet(past.life) and self._latest

    def _greet(self, tip: Tip, now: float) -> None:
        if self._watch.hear(tip.life, tip.told):
            # Whoever was asked is gone, and the question may be gone with it.
            self._outstanding, self._patience = None, RETRY_S
            self._due = now
        elif self._latest and self._watch.wanted:
            self._ask_soon(now, at_once=True)

    def _hear(self, message: Live | Tip, now: float) -> None:
        # Before the first answer, or from another journal: not to be believed, but worth a question.
        newest = max(_newest(message), self._heard.get(message.journal, 0))
        self._heard = {message.journal: newest}
        self._ask_soon(now, at_once=False)

    def _ask_soon(self, now: float, *, at_once: bool) -> None:
        if self._outstanding is None and at_once:
            self._due = now
        else:
            self._due = min(self._due, max(now, self._asked_at + RETRY_S))

    def _settle(self, now: float, *, progress: bool) -> None:
        self._outstanding = None
        self._patience = RETRY_S
        if self._received >= self._known:
            self._due = now + IDLE_S
        else:
            self._due = now if progress else now + RETRY_S

    def _absorb(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.seq == self._received + 1:
                self._append(record)
            elif record.seq > self._received and len(self._held) < self._bound:
                self._held[record.seq] = record
        while (following := self._held.get(self._received + 1)) is not None and self._append(following):
            pass
        if self._held:
            self._held = {seq: record for seq, record in self._held.items() if seq > self._received}

    def _append(self, record: Record) -> bool:
        if len(self._ready) >= self._bound:
            return False
        self._ready.append(record)
        self._received = record.seq
        return True


def _left_of(journal: str, past: Past) -> int | None:
    """The last seq that is left of what the producer had under another id; None when it never had it."""
    names = [former.journal for former in past.former]
    if journal == past.journal or journal not in names:
        return None
    return min(former.last_seq for former in past.former[names.index(journal) :])


def _newest(message: Live | Tip) -> int:
    if isinstance(message, Tip):
        return message.last_seq
    return message.records[-1].seq if message.records else 0
