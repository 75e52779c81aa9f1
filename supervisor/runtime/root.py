"""The root: one engine, and everything that tells it events or performs its commands.

signals, children, operators, host, alarms --tell--> inbox -> engine -> performer -> host, desks, journal
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from protocol import places
from protocol.errors import StorageError
from protocol.messages.control import Beat, Done
from protocol.messages.notice import SupervisionEvent
from protocol.transport.zeromq import ZeromqTransport
from supervisor.config import Tree, workers
from supervisor.engine import commands, events
from supervisor.engine.engine import Engine
from supervisor.engine.view import ChildView
from supervisor.host.output import Output
from supervisor.host.real import RealHost
from supervisor.link.children import ChildDesk
from supervisor.link.liveness import Liveness
from supervisor.link.noise import Noise
from supervisor.link.operators import OperatorDesk
from supervisor.runtime.alarmbell import AlarmBell
from supervisor.runtime.alerts import Alerts
from supervisor.runtime.answers import Answers, RootEnded
from supervisor.runtime.eventlog import EventLog
from supervisor.runtime.firststart import FirstStart
from supervisor.runtime.health import HEALTH, health_facts, health_level, status_line
from supervisor.runtime.inbox import Inbox
from supervisor.runtime.lastword import LastWord
from supervisor.runtime.news import Listener, News
from supervisor.runtime.overview import Overview
from supervisor.runtime.performer import Performer
from supervisor.runtime.readiness import ForeignPrograms
from supervisor.runtime.reloading import Reader, Reloading
from supervisor.runtime.report import event_of
from supervisor.runtime.resources import Resources
from supervisor.runtime.rootlog import say, say_events_lost, say_noise
from supervisor.runtime.routines import Routines
from supervisor.runtime.runend import RunEnd
from supervisor.runtime.systemd import Address, Condition, Systemd
from supervisor.runtime.taken import Taken
from supervisor.runtime.utc import now_ms

CHECK_EVERY_S = 0.25
TIP_EVERY_S = 1.0


class Root:
    """Made on a running loop; :meth:`open` starts the tree, :meth:`finished` waits for its end."""

    def __init__(
        self,
        tree: Tree,
        taken: Taken,
        output: Output,
        *,
        announce: Callable[[], None] | None,
        max_restarts: int | None,
        members: frozenset[str] = frozenset(),
        systemd: Address | None = None,
        reader: Reader | None = None,
        alone: bool = False,
        announce_failure: Callable[[str], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tree, self._taken, runtime_dir = tree, taken, taken.runtime_dir
        self._output = output
        self._announce = announce
        self._engine = Engine(tree.root, uniform=random.SystemRandom().random)
        self._first_start = FirstStart(
            self._loop, self._engine, ready=self._all_ready, failed=announce_failure
        )
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._started = asyncio.Event()
        self.replies: Answers[commands.Reply] = Answers(self.tell)
        self.results: Answers[commands.CallResult] = Answers(self.tell)
        self._version = version("supervisor-tree")  # it is read from a file
        self._beats: dict[str, Beat] = {}
        self._routines = Routines(self._broken)
        self._liveness = Liveness(CHECK_EVERY_S)
        self._noise = Noise(say_noise, time.monotonic)
        self._events = EventLog(
            tree.state_dir / "events.db",
            wall_ms=now_ms,
            trouble=self._events_not_written,
            lost=say_events_lost,
        )
        self._transport = ZeromqTransport()
        self._host = self._new_host(alone=alone)
        self._resources = Resources(self._host, self._engine, self.tell)
        self._news = News(self._events, self._resources.explained)
        self._run_end = self._new_run_end(max_restarts, members)
        self._bell = self._new_bell()
        self._systemd = Systemd(systemd, self._condition)
        self._foreign = self._new_foreign()
        self._performer = Performer(self._host, tree, runtime_dir, self, self.tell, self._foreign.prepare)
        self._inbox = Inbox(
            self._engine, now=self._host.now, perform=self._performer.perform, broken=self._broken
        )
        self._last_word = LastWord(output, self._foreign.trouble, self.tell)
        self._overview = self._new_overview()
        self._operators, self._children = self._desks(runtime_dir)
        self._reloading = self._new_reloading(reader)
        self._events.serve(self._transport, runtime_dir, self._noise)

    async def open(self) -> None:
        """Start the helpers and the tree."""
        # In a line of the log "demo=false" beside "config=demo" would only puzzle.
        demo = {"demo": True} if self._tree.demo else {}
        facts = {**self._about(), **demo}
        self._news.record(SupervisionEvent(event="root_started", pid=os.getpid(), facts=facts))
        if self._taken.killed:
            say("WARNING", f"killed what the root before had left behind: {', '.join(self._taken.killed)}")
        self._systemd.open()
        await self._host.open()
        self._routines.every(CHECK_EVERY_S, self._check_liveness)
        for step in (self._events.announce, self._keep_places, self._bell.look):
            self._routines.every(TIP_EVERY_S, step)
        self._routines.every(self._tree.health, self._tell_health, at_once=False)
        self._routines.run(self._resources.sample())
        self._routines.run(self._resources.watch_oom())
        self.tell(events.Boot())

    async def started(self) -> None:
        """Wait until the first start has gone through all children. Raises RootEnded if it never does."""
        waiting = asyncio.ensure_future(self._started.wait())
        try:
            await asyncio.wait((waiting, self._ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not self._started.is_set():
            raise RootEnded

    async def finished(self) -> int:
        """Wait until the tree is down; the exit code."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """End everything, also what is still running. Nothing of the root is left afterwards."""
        self._routines.close()
        self._first_start.close()
        self._bell.close()
        self._reloading.close()
        self._performer.close()
        self.replies.close()
        self.results.close()
        await self._foreign.close()
        await self._host.close()
        self._systemd.close()
        self._news.record(SupervisionEvent(event="root_stopped", pid=os.getpid()))
        self._news.tell()
        self._events.close()
        self._transport.close()
        self._resources.close()

    @property
    def listeners(self) -> list[Listener]:
        """Who hears every supervision event, on the loop."""
        return self._news.listeners

    @property
    def stopping(self) -> bool:
        """Whether the tree is on its way down."""
        return self._engine.stopping or self._ended.done()

    def shut_down(self, code: int = 0, by: str | None = None) -> None:
        """Stop everything in order; ``by`` is told in the event. Asking again is harmless."""
        self.tell(events.ShutdownAsked(code, by=by))

    def tell(self, event: events.Event) -> None:
        """Give the engine an event. Events told while one is in hand wait for their turn."""
        if isinstance(event, events.ShutdownAsked):
            self._note_shutdown(event)
        self._systemd.changed()
        if self._inbox.take(event) and self._engine.started:
            self._started.set()
            if not self.stopping:
                self._first_start.check(self.status)

    def _broken(self, defect: BaseException) -> None:
        """End, and everything with it: a root that no longer knows its tree must not go on."""
        if not self._ended.done():
            self._ended.set_exception(defect)

    # What the performer hands on.

    def reported(self, report: commands.Report) -> None:
        """Something happened to a child."""
        self._news.record(event_of(report))
        match report.event:
            case "spawned":
                self._foreign.spawned(report.child, report.incarnation or 0)
            case "ready":
                self._child_serves(report.child, report.incarnation or 0)
            case "exited":
                self._foreign.gone(report.child, report.incarnation or 0)
                self._forget_run(report.child)
            case "restarting":
                self._run_end.restarted(report.child)
            case "parked" | "held":
                self._first_start.suspect()
                self._run_end.given_up(report.child)

    def replied(self, reply: commands.Reply) -> None:
        """A request came to its end."""
        if not self.replies.settle(reply.request, reply):
            self._operators.replied(self._reloading.amended(reply))

    def answered(self, answer: commands.Answer) -> None:
        """A call came to its end. Only this process itself makes calls."""
        self.results.settle(answer.request, answer.result)

    def ended(self, code: int) -> None:
        """The tree is down."""
        if not self._ended.done():
            self._ended.set_result(code)

    # What children say.

    def child_ready(self, child: str, incarnation: int) -> None:
        """It serves."""
        self.tell(events.Ready(child, incarnation))

    def child_beat(self, child: str, incarnation: int, beat: Beat) -> None:
        """It makes progress."""
        self._beats[child] = beat
        self._liveness.heard(child, incarnation, self._host.now())

    def _peers(self, child: str) -> frozenset[str]:
        """Who else is wanted and runs the same program."""
        start = self._start_of(child)
        others = (view.id for view in self.views() if view.wanted and view.id != child)
        return frozenset(other for other in others if self._start_of(other) == start)

    def _start_of(self, child: str) -> str | None:
        spec = self._engine.spec_of(child)
        return spec.program.start if spec is not None else None

    def child_done(self, child: str, incarnation: int, done: Done) -> None:
        """It has finished all its work."""
        self._run_end.done(child, done)

    # What operators ask.

    def views(self) -> tuple[ChildView, ...]:
        """All children as the engine sees them now."""
        return self._engine.view(self._host.now())

    def ids(self) -> Sequence[str]:
        """The ids of all children."""
        return self._engine.ids()

    def top_ids(self) -> Sequence[str]:
        """The ids of the root's own children."""
        return self._engine.top_ids()

    def reload(self, request: str) -> None:
        """Read the tree file again and become what it says."""
        self._reloading.begin(request)

    def status(self) -> dict[str, Any]:
        """The object of ``supervisor status --json``."""
        self._news.tell()  # who sees a state finds in the journal how it came to it
        facts = {"pid": os.getpid(), **self._about(), "demo": self._tree.demo}
        return self._overview.status(facts, stopping=self.stopping, now=self._host.now())

    # Inside.

    def _new_host(self, *, alone: bool) -> RealHost:
        return RealHost(
            loop=self._loop,
            sink=lambda event: self._last_word.hear(event),  # noqa: PLW0108 - which is made after the host
            broken=self._broken,
            attach_output=self._output.attach,
            preload=self._tree.preload,
            capacity=len(workers(self._tree.root)),
            alone=alone,
        )

    def _new_reloading(self, reader: Reader | None) -> Reloading:
        return Reloading(
            reader,
            answering=self._operators,
            tell=self.tell,
            renew=self._host.renew,
            broken=self._broken,
            started_with=self._tree,
        )

    def _new_foreign(self) -> ForeignPrograms:
        return ForeignPrograms(
            self._taken.runtime_dir,
            run=self._host.run,
            tell=self.tell,
            broken=self._broken,
            liveness=self._liveness,
            noise=self._noise,
        )

    def _new_run_end(self, max_restarts: int | None, members: frozenset[str]) -> RunEnd:
        return RunEnd(
            max_restarts,
            members,
            news=self._news,
            stop=self.shut_down,
            peers=self._peers,
            stopping=lambda: self.stopping,
        )

    def _new_bell(self) -> AlarmBell:
        alerts = Alerts(self._tree.notifier, self._tree.alert_after, self._host.now())
        bell = AlarmBell(self._tree.alert_command, alerts, run=self._host.run, broken=self._broken)
        self._news.listeners.append(bell.hear)
        return bell

    def _new_overview(self) -> Overview:
        return Overview(
            engine=self._engine,
            liveness=self._liveness,
            resources=self._resources,
            events=self._events,
            output=self._output,
            foreign=self._foreign,
            beats=self._beats,
            born_at=self._host.now(),
        )

    def _desks(self, runtime_dir: str) -> tuple[OperatorDesk, ChildDesk]:
        operator = places.endpoint(runtime_dir, "root", "operator")
        control = places.endpoint(runtime_dir, "root", "control")
        return (
            OperatorDesk(self._transport, operator, self, self._noise),
            ChildDesk(self._transport, control, self, self._engine.incarnation, self._noise),
        )

    def _child_serves(self, child: str, incarnation: int) -> None:
        spec = self._engine.spec_of(child)
        if spec is not None and spec.heartbeat is not None:
            self._liveness.watch(child, incarnation, spec.heartbeat, self._host.now())
        self._foreign.serves(child, incarnation)
        if self._engine.started:
            self._first_start.look(child)

    def _all_ready(self, first_news: bool) -> None:
        command = Path(sys.executable).with_name("supervisor")
        self._news.say("INFO", f"all children are ready; from another shell: {command} status")
        if self._announce is not None and first_news:
            self._announce()

    def _forget_run(self, child: str) -> None:
        self._liveness.forget(child)
        self._resources.forget(child)
        if self._engine.spec_of(child) is None:  # an instance of a pool: it will not come back
            self._beats.pop(child, None)
            self._output.forget(child)
            self._foreign.forget(child)

    def _events_not_written(self, error: StorageError) -> None:
        say("ERROR", f"supervision events cannot be written and wait in memory: {error}")
        self._news.tell_later()

    def _note_shutdown(self, asked: events.ShutdownAsked) -> None:
        if not self.stopping:
            facts = {"by": asked.by} if asked.by else {}
            self._news.record(SupervisionEvent(event="stop_asked", facts=facts))
        self._loop.call_soon(self._systemd.stopping)

    def _condition(self) -> Condition:
        line = status_line(self._engine.view(self._host.now()))
        return Condition(self._engine.started, self.stopping, line)

    def _tell_health(self) -> None:
        status = self.status()
        say(health_level(status), HEALTH, **health_facts(status))

    def _keep_places(self) -> None:
        if not self._taken.keep(self._transport.rebind) and not self.stopping:
            self.shut_down(1, by="root.lock")

    def _check_liveness(self) -> None:
        for late in self._liveness.check(self._host.now()):
            self.tell(events.BeatMissed(late.child, late.incarnation, late.silence))

    def _about(self) -> dict[str, Any]:
        state_dir = str(self._tree.state_dir)
        return {"config": self._tree.name, "state_dir": state_dir, "version": self._version}
