"""The notifier's core: records and the clock in, messages out; each record makes its message once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec.structs import replace

from protocol.codec import ACCOUNT, EVENTS
from protocol.messages.notice import SupervisionEvent
from protocol.messages.stream import AccountRole, EventsRole, Record, Role
from protocol.messages.trading import AccountRecord, Fill, TradeClosed
from workers.notifier import outbox, rounds
from workers.notifier.day import Tally
from workers.notifier.kinds import Words
from workers.notifier.message import Message, Told
from workers.notifier.repeats import alike
from workers.notifier.rounds import Equity
from workers.notifier.schedule import Every, Job, Timer
from workers.notifier.state import NotifierState
from workers.notifier.trades import of_account
from workers.notifier.wording import of_event
from workers.shared.core import LogLine, Step, Write
from workers.shared.exits import PersonMustLook
from workers.shared.log import iso_ms

RECORDS_A_STEP: Final = 200
ROOM: Final = 1_000
HISTORY_MS: Final = 7 * 24 * 3600 * 1000
"""A trade whose data is older than this happened in a recording, not in the market."""
FORGET_EVERY: Final = 20
"""After how many messages those are dropped that nobody needs any more; after the first one of each life."""
DROPPED_AT_ONCE: Final = 1000
"""Letters in one step: the loop must not stand still for them."""
STAMP_MS: Final = 60_000
"""How often it is noted that the host is up."""

_LEVELS: Final = {"info": "INFO", "warning": "WARNING", "critical": "CRITICAL"}
_SEEN: Final = {
    "spawned": "starting",
    "ready": "ready",
    "exited": "down",
    "restarting": "restarting",
    "parked": "parked",
    "held": "held",
    "stopped": "stopped",
}


class UnfitInput(PersonMustLook):
    """An input of the notifier is not something that it can tell of."""

    def __init__(self, source: str, role: Role) -> None:
        super().__init__(source, role)
        self.source, self.role = source, role

    def __str__(self) -> str:
        found = type(self.role).__name__.removesuffix("Role").lower()
        return (
            f"input {self.source!r} of the notifier sends {found}: it reads the root and brokers; correct the"
            " key inputs of its config"
        )


@dataclass(frozen=True, kw_only=True)
class Around:
    """What the core may ask others, and whom it tells.

    ``channels`` take what is put in the outbox; ``posted`` is called when something new is on disk there.
    Of what a channel does not take, ``keep_unsent`` messages wait at most; ``queued_in`` says how many do.
    ``equity`` reads the account's course since a time, and may raise: what needed it is tried again later.
    ``children`` says how the root sees its children (None: it has not said).
    """

    channels: tuple[str, ...] = ()
    boot: str | None = None
    keep_unsent: int = outbox.KEPT_UNSENT
    queued: Callable[[], int] = lambda: 0
    queued_in: Callable[[str], int] = lambda _channel: 0
    total: Callable[[], int] = lambda: 0
    strangers: Callable[[], int] = lambda: 0
    posted: Callable[[], None] = lambda: None
    equity: Callable[[int], Equity] = lambda _since_ms: ()
    children: Callable[[], Mapping[str, str] | None] = lambda: None


@dataclass
class _Made:
    """What a step has come to so far."""

    messages: list[Message] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    noted: bool = False

    @property
    def anything(self) -> bool:
        return bool(self.cursors or self.writes or self.logs or self.noted)


class NotifierCore:
    """A pure notifier; see :class:`workers.shared.core.Core` and :class:`workers.shared.worker.Timed`."""

    def __init__(self, state: NotifierState, words: Words, around: Around) -> None:
        self._state, self._words, self._around = state, words, around
        self._kinds: dict[str, Literal["events", "account"]] = {}
        self._waiting: deque[tuple[str, Record]] = deque()
        self._complaints: list[Told] = []
        self._stamp = Every(STAMP_MS)
        self._newborn, self._unannounced, self._unforgotten = True, False, FORGET_EVERY
        self._now, self._at_ms = 0.0, 0

    def introduce(self, source: str, role: Role) -> None:
        """Learn what an input is. Raises UnfitInput for what is neither a root nor a broker."""
        match role:
            case EventsRole():
                self._kinds[source] = "events"
            case AccountRole():
                self._kinds[source] = "account"
            case _:
                raise UnfitInput(source, role)

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Take records of one input, consecutive and in order."""
        self._waiting.extend((source, record) for record in records)

    def room(self, source: str) -> int:
        """How many further records may be received now."""
        return max(ROOM - len(self._waiting), 0)

    def complain(self, child: str, what: str, count: int) -> None:
        """Learn of errors of a child that the root has told of."""
        fields = {"child": child, "what": what, "count": str(count)}
        told = Told(kind="error", at_ms=0, fields=fields, alike=alike("error", child, what))
        self._complaints.append(told)

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the time, monotonic seconds and UTC milliseconds."""
        self._now, self._at_ms = now, at_ms
        for job in (self._stamp, *self._jobs.values()):
            job.begin(at_ms)
        if not self._state.day.since_ms:
            self._state.day.since_ms = at_ms

    @property
    def deadline(self) -> float | None:
        """When the next thing that comes round is due, in monotonic seconds."""
        timers: tuple[Timer, ...] = (self._stamp, *self._jobs.values(), self._state.repeats)
        remaining = [left for one in timers if (left := one.remaining_ms(self._at_ms)) is not None]
        return self._now + min(remaining) / 1000 if remaining else None

    def step(self) -> Step | None:
        """Make the messages of what was received and of what is due; None when there is nothing."""
        if self._unannounced:
            self._unannounced = False
            self._around.posted()  # asked for a step again: the last one is on disk
        made = _Made()
        self._birth(made)
        for _ in range(min(RECORDS_A_STEP, len(self._waiting))):
            self._record(*self._waiting.popleft(), made)
        self._complain(made)
        self._clock(made)
        self._forget(made)
        return self._as_step(made) if made.anything else None

    @property
    def waiting_for(self) -> str | None:
        """Nobody: whoever has something to tell will come."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Lifetime figures: letters that need no more sending, those that do, texts of strangers, the last
        heartbeat. A letter is a message on its way through one channel."""
        queued = self._around.queued()
        last = self._state.last_heartbeat_ms
        last_heartbeat = None if last is None else iso_ms(last)
        return {
            "sent": self._around.total() - queued,
            "queued": queued,
            "strangers": self._around.strangers(),
            "last_heartbeat": last_heartbeat,
        }

    @property
    def demo(self) -> bool:
        """Whether the tree is the demo, as the root said when it started."""
        return self._state.demo

    def summary(self, title: str = "") -> str:
        """Return the summary of the day so far."""
        told = self._daily(title)
        message = self._words.message(told) or Words().message(told)
        return message.text if message else ""

    @property
    def _jobs(self) -> dict[str, Job]:
        state = self._state
        return {"heartbeat": state.heartbeat, "health": state.health, "daily": state.daily}

    def _birth(self, made: _Made) -> None:
        if not self._newborn:
            return
        self._newborn = False
        state, boot = self._state, self._around.boot
        if state.boot not in (None, boot) and state.seen_ms is not None:
            self._tell(rounds.rebooted(state.seen_ms, self._at_ms), made)
        if state.boot != boot:
            state.boot, made.noted = boot, True

    def _record(self, source: str, record: Record, made: _Made) -> None:
        made.cursors[source] = record.seq
        if self._kinds[source] == "events":
            self._event(EVENTS.decode(record.body), record.at_ms, made)
        else:
            self._account(ACCOUNT.decode(record.body), made)

    def _account(self, message: AccountRecord, made: _Made) -> None:
        for tally in (self._state.tally, self._state.day):
            if isinstance(message, Fill):
                tally.fills += 1
                tally.fees += message.fee
            elif isinstance(message, TradeClosed):
                tally.count(message)
        self._tell(of_account(message), made, trading=True)

    def _event(self, event: SupervisionEvent, at_ms: int, made: _Made) -> None:
        state = self._state
        if event.event == "root_started":
            state.children, state.demo, state.started_ms = {}, bool(event.facts.get("demo")), at_ms
            made.writes.append(outbox.new_run())
        if event.child is not None and event.event in _SEEN:
            state.children[event.child] = _SEEN[event.event]
        state.tally.restarts += event.event == "restarting"
        state.day.restarts += event.event == "restarting"
        self._tell(of_event(event, at_ms), made)

    def _complain(self, made: _Made) -> None:
        complaints, self._complaints = self._complaints, []
        for told in complaints:
            self._tell(replace(told, at_ms=self._at_ms), made)

    def _clock(self, made: _Made) -> None:
        for count, since_ms, last in self._state.repeats.take_due(self._at_ms):
            made.noted = True
            fields = {"count": str(count), "since": iso_ms(since_ms)[:16].replace("T", " "), "last": last}
            self._tell(Told(kind="repeated", at_ms=self._at_ms, fields=fields), made)
        for name, job in self._jobs.items():
            if job.take(self._at_ms):
                self._run(name, job, made)
        if self._stamp.take(self._at_ms):
            made.noted = True

    def _run(self, name: str, job: Job, made: _Made) -> None:
        """Do what has come round. An error of one is told and tried again; the others do not notice."""
        made.noted = True
        try:
            told = self._round(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the other rounds
            job.failed(self._at_ms)
            facts = {"job": name, "error": f"{type(error).__name__}: {error}", "again_in": "1h"}
            made.logs.append(LogLine("ERROR", "scheduled message failed", facts))
            return
        self._tell(told, made)
        if name == "heartbeat":
            self._state.last_heartbeat_ms, self._state.tally = self._at_ms, Tally(since_ms=self._at_ms)
        if name == "daily":
            self._state.day = Tally(since_ms=self._at_ms)

    def _round(self, name: str) -> Told:
        state, at_ms = self._state, self._at_ms
        match name:
            case "heartbeat":
                return rounds.heartbeat(state.tally, state.heartbeat.interval_ms, at_ms)
            case "health":
                return rounds.health(self._around.children() or state.children, at_ms)
            case _:
                return self._daily()

    def _daily(self, title: str = "") -> Told:
        state = self._state
        equity = self._around.equity(state.day.since_ms)
        zone, started = state.daily.zone, state.started_ms
        return rounds.daily(state.day, equity, started_ms=started, zone=zone, at_ms=self._at_ms, title=title)

    def _tell(self, told: Told | None, made: _Made, *, trading: bool = False) -> None:
        state = self._state
        message = None if told is None else self._words.message(told, prefix="DEMO " if state.demo else "")
        if told is None or message is None:
            return
        state.tally.warnings += message.priority != "info"
        state.day.warnings += message.priority != "info"
        history = trading and message.at_ms < self._at_ms - HISTORY_MS
        made.logs.append(_line(message))
        if told.alike is not None and not state.repeats.tells(told.alike, message.text, self._at_ms):
            made.noted = True
            return
        channels = () if history or state.demo else self._around.channels
        made.messages.append(message)
        made.writes += outbox.insert(message, channels)

    def _forget(self, made: _Made) -> None:
        """Drop what nobody waits for any more, and what waits for a channel that has taken nothing for very
        long."""
        self._unforgotten += len(made.messages)
        if not made.messages or self._unforgotten < FORGET_EVERY:
            return
        channels = self._around.channels
        for channel in channels:
            self._drop(channel, self._around.queued_in(channel) - self._around.keep_unsent, made)
        # Twice as many as came in: what a time without a network has left goes too, a bit at a time.
        made.writes.append(outbox.forget_sent(2 * self._unforgotten * max(len(channels), 1)))
        self._unforgotten = 0

    def _drop(self, channel: str, count: int, made: _Made) -> None:
        if count <= 0:
            return
        count, dropped = min(count, DROPPED_AT_ONCE), self._state.dropped
        dropped[channel] = dropped.get(channel, 0) + count
        made.writes.append(outbox.drop(channel, count, self._at_ms))
        fields = {"channel": channel, "count": str(dropped[channel])}
        told = Told(kind="dropped", at_ms=self._at_ms, fields=fields, alike=alike("dropped", channel))
        self._tell(told, made)

    def _as_step(self, made: _Made) -> Step:
        self._state.seen_ms = self._at_ms
        if made.messages:
            self._unannounced = True
        return Step(
            at_ms=self._at_ms,
            cursors=made.cursors,
            state=self._state.encode(),
            writes=tuple(made.writes),
            logs=tuple(made.logs),
        )


def _line(message: Message) -> LogLine:
    name = message.kind if message.kind in {"heartbeat", "health"} else "notification"
    facts = {"kind": message.kind, "at": iso_ms(message.at_ms), "text": message.text}
    return LogLine(_LEVELS[message.priority], name, facts)
