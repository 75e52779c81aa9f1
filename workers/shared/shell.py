"""The imperative shell around a core: receive, step, commit, publish, log. One :meth:`Shell.turn` at a time.

                  .------------------ turn -------------------.
    streams ----> hand over -> step -> tell ticks -> commit --+--> announce, log
    (handlers)                  |                      |
                                |                      '-- disk full: keep it, try again in a second; a core
                                |                          that can goes on in memory, and nothing is told
                                '-- None: wait for a frame or a deadline

A live price is handed over, and decided upon, before any record that waits, but for those of a core so slow
that it would not be heard of for long. It never moves a cursor, and a step of nothing but ticks and logs
touches no disk.

Time comes from the ``clock`` given, sockets from the ``transport`` given: a test drives many shells over the
network in memory in simulated time. Errors that end the process are raised by ``turn`` or by a handler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from loguru import logger

from protocol.control import Control
from protocol.errors import FrameError, StorageBusy, StorageError
from protocol.messages.control import Beat, Launch
from protocol.messages.stream import Fetch, MarketRole, Record
from protocol.transport.port import Transport
from workers.shared.consumer import Consumer
from workers.shared.core import Step
from workers.shared.held import Held
from workers.shared.housekeeping import Housekeeper
from workers.shared.log import emit
from workers.shared.producer import Producer
from workers.shared.vitals import Vitals
from workers.shared.worker import Worker

TICKS_S: Final = 0.2
"""For so long live prices are handed over in one turn: only between turns does the process say that it
lives."""
RETRY_S: Final = 1.0
"""How long a step that could not be committed waits."""
HEALTH_LINE_S: Final = 300.0
COMPLAINT_S: Final = 1.0
"""Frames that are none are logged at most this often."""


@dataclass(frozen=True)
class Surroundings:
    """What a shell has from outside: sockets, monotonic seconds, UTC milliseconds, how to be called soon."""

    transport: Transport
    clock: Callable[[], float]
    wall_ms: Callable[[], int]
    wake: Callable[[], None]


class Shell:
    """Drives one worker in one process."""

    def __init__(self, worker: Worker, launch: Launch, surroundings: Surroundings) -> None:
        self._worker = worker
        self._launch = launch
        self._around = surroundings
        self._vitals = Vitals(born_with_errors=worker.condition().errors)
        self._control = Control(launch, wall_ms=surroundings.wall_ms, bad_frame=self._bad_frame)
        self._housekeeper = Housekeeper(worker.journal, worker.policy, worker.keeps, now=surroundings.clock())
        self._producer = self._made_producer()
        self._consumers = {source: self._made_consumer(source) for source in worker.inputs}
        self._held = Held(worker.storage)
        self._health_line_at = surroundings.clock() + HEALTH_LINE_S
        self._complaint_at = 0.0
        self._ticks_left = False

    def open(self) -> None:
        """Bind, say ready, begin to consume. Raises EndpointUnusable."""
        transport = self._around.transport
        if self._producer is not None:
            self._producer.bind(transport, self._launch.runtime_dir)
        self._control.connect(transport)
        self._control.ready()
        for consumer in self._consumers.values():
            consumer.connect(transport, self._launch.runtime_dir)

    def turn(self) -> float:
        """Do one step's worth of work and whatever is due; returns when to be called next (at once: now).

        Raises StreamError when an input cannot be followed any more, JournalError when the database is
        damaged, PersonMustLook, and whatever the core raises.
        """
        now = self._around.clock()
        self._vitals.loops += 1
        worked = self._work(now)
        for consumer in self._consumers.values():
            consumer.ask(now)
        if self._producer is not None:
            self._producer.tell_tip(now)
        self._note_waits(now)
        self._housekeeper.turn(now, idle=not worked)
        self._control.report(now, self._beat, self._worker.done())
        self._tell_health(now)
        return now if worked else self._next_deadline()

    def close(self) -> None:
        """Commit what was held back, if the disk takes it now, and the last step; close the journal.

        What is not committed is not lost: it will be fetched again. Nothing in here waits, so that no
        cancellation can cut it short.
        """
        try:
            if self._held.step is not None:
                self._say(self._held.step, self._commit(self._held.step))
            if (last := self._worker.closing()) is not None:
                self._say(last, self._commit(last))
        except StorageError as error:
            logger.error("{}", error)
        finally:
            self._worker.journal.close()

    def _made_consumer(self, source: str) -> Consumer:
        return Consumer(
            source,
            self._worker.core,
            self._worker.journal.cursor(source),
            clock=self._around.clock,
            wake=self._around.wake,
            bad_frame=self._bad_frame,
            ticking=self._worker.ticking,
            reader=self._launch.child,
            rewinds=self._worker.rewinds,
            met=self._settle,
        )

    def _settle(self) -> None:
        """What follows from recordings alone can be made again: it need not outlive a power loss."""
        roles = [consumer.role for consumer in self._consumers.values()]
        markets = [role for role in roles if isinstance(role, MarketRole)]
        if any(not market.lockstep for market in markets):
            self._worker.journal.settle("power")
        elif markets and None not in roles:
            self._worker.journal.settle("process")

    def _made_producer(self) -> Producer | None:
        worker = self._worker
        if worker.role is None:
            return None
        return Producer(
            self._launch.child,
            worker.source or worker.journal,
            worker.role,
            wall_ms=self._around.wall_ms,
            wake=self._around.wake,
            bad_frame=self._bad_frame,
            on_asked=self._on_asked,
            former=() if worker.source else worker.journal.former,
            life=f"{self._launch.incarnation}-{self._around.wall_ms()}",
        )

    def _work(self, now: float) -> bool:
        if self._held.step is not None and now >= self._held.retry_at:
            return self._write(self._held.step, now)
        self._ticks_left = False
        step = None if self._held.blocks else self._next_step(now)
        if step is None:
            return self._ticks_left
        self._tell_ticks(step)
        if not step.writes_anything:
            self._say(step, ())
        elif self._held.step is not None:
            self._held.add(step)
        else:
            return self._write(step, now)
        return True

    def _write(self, step: Step, now: float) -> bool:
        try:
            records = self._commit(step)
        except StorageError as error:
            self._held.begin(step, now + RETRY_S)
            self._complain(error)
            return False
        self._written(step)
        self._say(step, records)
        return True

    def _next_step(self, now: float) -> Step | None:
        if self._worker.timed is not None:
            self._worker.timed.advance(now, self._around.wall_ms())
        step = self._step_after_ticks()
        if step is not None:
            return step
        for consumer in self._consumers.values():
            consumer.hand_over()
        return self._worker.core.step()

    def _step_after_ticks(self) -> Step | None:
        ends_at = self._around.clock() + TICKS_S
        for consumer in self._consumers.values():
            while consumer.hand_over_tick():
                if (step := self._worker.core.step()) is not None:
                    return step
                if self._around.clock() >= ends_at:
                    self._ticks_left = True
                    return None
        return None

    def _tell_ticks(self, step: Step) -> None:
        if self._producer is not None and step.ticks:
            self._producer.tell_ticks(step.ticks)

    def _commit(self, step: Step) -> tuple[Record, ...]:
        encode = self._worker.encode
        return self._worker.journal.commit(
            bodies=[encode(output) for output in step.outputs] if encode is not None else (),
            at_ms=step.at_ms,
            cursors={source: self._consumers[source].cursor(seq) for source, seq in step.cursors.items()},
            state=step.state,
            statements=[(write.sql, write.parameters) for write in step.writes],
        )

    def _written(self, step: Step) -> None:
        self._held.end()
        for source, seq in step.cursors.items():
            self._consumers[source].committed(seq)
        if self._vitals.storage_fault is not None:
            logger.bind(after=self._vitals.storage_fault).info("recovered")
            self._vitals.storage_fault = None

    def _say(self, step: Step, records: tuple[Record, ...]) -> None:
        if self._producer is not None:
            self._producer.announce(records)
        for line in step.logs:
            emit(line)

    def _complain(self, error: StorageError) -> None:
        self._vitals.failed(str(error))
        if self._vitals.storage_fault is None:  # one alert, however often it is tried
            logger.log("ERROR" if isinstance(error, StorageBusy) else "CRITICAL", "{}", error)
        self._vitals.storage_fault = str(error)

    def _note_waits(self, now: float) -> None:
        strangers = (c.source for c in self._consumers.values() if not c.introduced)
        behind = (c.source for c in self._consumers.values() if c.introduced and not c.caught_up)
        self._vitals.waiting.note(self._worker.core.waiting_for or next(strangers, None), now)
        self._vitals.behind.note(next(behind, None), now)

    def _beat(self) -> Beat:
        times = [c.newest_ms for c in self._consumers.values() if c.newest_ms is not None]
        return self._vitals.beat(
            self._around.clock(),
            self._worker.condition(),
            self._counters(),
            max(times, default=None),
            self._housekeeper.reasons,
        )

    def _counters(self) -> dict[str, int | str | None]:
        counters = self._worker.core.counters()
        if self._worker.ticking is not None:
            counters["ticks_dropped"] = sum(c.ticks_dropped for c in self._consumers.values())
        return counters

    def _tell_health(self, now: float) -> None:
        if now >= self._health_line_at:
            self._health_line_at = now + HEALTH_LINE_S
            beat = self._beat()
            facts = {"health": beat.health, "reasons": beat.reasons, "errors": beat.errors, **beat.counters}
            logger.bind(**facts).info("health")

    def _next_deadline(self) -> float:
        times = [self._control.deadline, self._health_line_at, self._housekeeper.deadline]
        times += [consumer.deadline for consumer in self._consumers.values()]
        if self._producer is not None:
            times.append(self._producer.deadline)
        if self._held.step is not None:
            times.append(self._held.retry_at)
        if (
            not self._held.blocks
            and self._worker.timed is not None
            and self._worker.timed.deadline is not None
        ):
            times.append(self._worker.timed.deadline)
        return min(times)

    def _on_asked(self, fetch: Fetch) -> None:
        self._housekeeper.asked(fetch, self._around.clock(), self._around.wall_ms())
        if self._worker.on_asked is not None:
            self._worker.on_asked(fetch.after)

    def _bad_frame(self, error: FrameError) -> None:
        self._vitals.failed(str(error))
        now = self._around.clock()
        if now >= self._complaint_at:
            self._complaint_at = now + COMPLAINT_S
            logger.warning("{}", error)
