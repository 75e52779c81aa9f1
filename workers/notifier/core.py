"""The notifier's core: records and the clock in, messages out; each record makes its message once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec.structs import replace

from protocol.codec import ACCOUNT, EVENTS
from protocol.messages.notice import SupervisionEvent
from protocol.messages.stream import AccountRole, EventsRole, Record, Role
from protocol.messages.trading import Fill
from workers.notifier import outbox, wording
from workers.notifier.message import Message
from workers.notifier.state import NotifierState, Tally
from workers.shared.core import LogLine, Step, Write
from workers.shared.exits import PersonMustLook
from workers.shared.log import iso_ms

RECORDS_A_STEP: Final = 200
ROOM: Final = 1_000
HISTORY_MS: Final = 7 * 24 * 3600 * 1000
"""A trade whose data is older than this happened in a recording, not in the market."""

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


@dataclass
class _Made:
    """What a step has come to so far."""

    messages: list[Message] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)


class NotifierCore:
    """A pure notifier; see :class:`workers.shared.core.Core` and :class:`workers.shared.worker.Timed`.

    ``sends``: a channel besides the log takes what is put in the outbox. ``queued`` counts what it has not
    taken yet. ``posted`` is called when new messages are on disk.
    """

    def __init__(
        self,
        state: NotifierState,
        *,
        sends: bool,
        queued: Callable[[], int],
        posted: Callable[[], None] = lambda: None,
    ) -> None:
        self._state, self._sends, self._queued, self._posted = state, sends, queued, posted
        self._kinds: dict[str, Literal["events", "account"]] = {}
        self._waiting: deque[tuple[str, Record]] = deque()
        self._unannounced = False
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

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the time, monotonic seconds and UTC milliseconds."""
        self._now, self._at_ms = now, at_ms
        self._state.heartbeat.begin(at_ms)
        self._state.health.begin(at_ms)

    @property
    def deadline(self) -> float | None:
        """When the next heartbeat or health message is due, in monotonic seconds."""
        schedules = (self._state.heartbeat, self._state.health)
        remaining = [left for s in schedules if (left := s.remaining_ms(self._at_ms)) is not None]
        return self._now + min(remaining) / 1000 if remaining else None

    def step(self) -> Step | None:
        """Make the messages of what was received and of what is due; None when there is nothing."""
        if self._unannounced:
            self._unannounced = False
            self._posted()  # asked for a step again: the last one is on disk
        made = _Made()
        for _ in range(min(RECORDS_A_STEP, len(self._waiting))):
            self._record(*self._waiting.popleft(), made)
        self._clock(made)
        if not made.cursors and not made.messages:
            return None
        return self._as_step(made)

    @property
    def waiting_for(self) -> str | None:
        """Nobody: whoever has something to tell will come."""
        return None

    def counters(self) -> dict[str, int | str | None]:
        """Lifetime figures: messages that need no more sending, those that do, the last heartbeat."""
        state, queued = self._state, self._queued()
        last = state.last_heartbeat_ms
        last_heartbeat = None if last is None else iso_ms(last)
        return {"sent": state.messages - queued, "queued": queued, "last_heartbeat": last_heartbeat}

    def _record(self, source: str, record: Record, made: _Made) -> None:
        made.cursors[source] = record.seq
        if self._kinds[source] == "events":
            self._event(EVENTS.decode(record.body), record.at_ms, made)
            return
        message = ACCOUNT.decode(record.body)
        self._state.tally.trades += isinstance(message, Fill)
        self._put(wording.of_account(message), made, trading=True)

    def _event(self, event: SupervisionEvent, at_ms: int, made: _Made) -> None:
        state = self._state
        if event.event == "root_started":
            state.children, state.demo = {}, bool(event.facts.get("demo"))
        if event.child is not None and event.event in _SEEN:
            state.children[event.child] = _SEEN[event.event]
        state.tally.restarts += event.event == "restarting"
        self._put(wording.of_event(event, at_ms), made)

    def _clock(self, made: _Made) -> None:
        state = self._state
        if state.heartbeat.take(self._at_ms):
            state.last_heartbeat_ms = self._at_ms
            self._put(self._heartbeat(), made)
            state.tally = Tally()
        if state.health.take(self._at_ms):
            self._put(self._health(), made)

    def _heartbeat(self) -> Message:
        tally, every = self._state.tally, wording.duration(self._state.heartbeat.interval_ms / 1000)
        counts = f"{tally.trades} trades, {tally.restarts} restarts, {tally.warnings} warnings"
        text = f"Alive: {counts} in the last {every}"
        return Message(kind="heartbeat", at_ms=self._at_ms, text=text)

    def _health(self) -> Message:
        children = sorted(self._state.children.items())
        text = ", ".join(f"{name} {seen}" for name, seen in children) or "no child was seen"
        return Message(kind="health", at_ms=self._at_ms, text=f"Health: {text}")

    def _put(self, message: Message | None, made: _Made, *, trading: bool = False) -> None:
        if message is None:
            return
        state = self._state
        state.tally.warnings += message.priority != "info"
        history = trading and message.at_ms < self._at_ms - HISTORY_MS
        text = f"DEMO {message.text}" if state.demo else message.text
        log_only = history or state.demo or not self._sends
        made.messages.append(replace(message, text=text, log_only=log_only))

    def _as_step(self, made: _Made) -> Step:
        writes = [self._posting(message) for message in made.messages]
        if writes:
            self._unannounced = True
            writes.append(outbox.forget_sent(self._state.messages))
        return Step(
            at_ms=self._at_ms,
            cursors=made.cursors,
            state=self._state.encode(),
            writes=tuple(writes),
            logs=tuple(_line(message) for message in made.messages),
        )

    def _posting(self, message: Message) -> Write:
        self._state.messages += 1
        sent_ms = self._at_ms if message.log_only else None
        return outbox.insert(self._state.messages, message, sent_ms=sent_ms)


def _line(message: Message) -> LogLine:
    name = message.kind if message.kind in {"heartbeat", "health"} else "notification"
    facts = {"kind": message.kind, "at": iso_ms(message.at_ms), "text": message.text}
    return LogLine(_LEVELS[message.priority], name, facts)
