"""The root: one engine, and everything that tells it events or performs its commands.

signals, children, operators, host, alarms --tell--> queue -> engine -> performer -> host, desks, journal
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
from supervisor.host.output import Output
from supervisor.host.port import HostEvent
from supervisor.host.real import RealHost
from supervisor.host.resources import Sampler, Usage
from supervisor.link.children import ChildDesk
from supervisor.link.liveness import Liveness
from supervisor.link.noise import Noise
from supervisor.link.operators import OperatorDesk
from supervisor.runtime.eventlog import EventLog
from supervisor.runtime.performer import Performer
from supervisor.runtime.report import event_of, level_of, sentence_of
from supervisor.runtime.rootlog import say
from supervisor.runtime.status import Sources, root_object, tree_object

CHECK_EVERY_S = 0.25
SAMPLE_EVERY_S = 2.0
TIP_EVERY_S = 1.0
OVER_LIMIT_SAMPLES = 3
"""So many samples in a row above the memory limit count as staying above it."""


class Root:
    """Made on a running loop; :meth:`open` starts the tree, :meth:`finished` waits for its end."""

    def __init__(
        self,
        tree: Tree,
        runtime_dir: str,
        output: Output,
        *,
        announce: Callable[[], None] | None,
        max_restarts: int | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._tree = tree
        self._output = output
        self._announce = announce
        self._announced = False
        self._max_restarts = max_restarts
        self._specs = {spec.id: spec for spec in workers(tree.root)}
        self._engine = Engine(tree.root, uniform=random.SystemRandom().random)
        self._queue: deque[events.Event] = deque()
        self._draining = False
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._born_at = time.monotonic()
        self._restarts = 0
        self._beats: dict[str, Beat] = {}
        self._usage: dict[str, Usage] = {}
        self._over: Counter[str] = Counter()
        self._flush_due = False
        self._tasks: list[asyncio.Task[None]] = []
        self._sampling = ThreadPoolExecutor(1, thread_name_prefix="sampler")
        self._liveness = Liveness(CHECK_EVERY_S)
        self._noise = Noise(_say_noise, time.monotonic)
        self._events = EventLog(
            tree.state_dir / "events.db", wall_ms=_wall_ms, trouble=self._events_not_written
        )
        self._transport = ZeromqTransport()
        self._host = RealHost(
            loop=self._loop,
            sink=self._host_says,
            attach_output=output.attach,
            preload=tree.preload,
            capacity=len(self._specs),
        )
        self._performer = Performer(self._host, tree, runtime_dir, self, self.tell)
        self._operators = OperatorDesk(
            self._transport, places.endpoint(runtime_dir, "root", "operator"), self, self._noise
        )
        self._children = ChildDesk(
            self._transport,
            places.endpoint(runtime_dir, "root", "control"),
            self,
            self._engine.incarnation,
            self._noise,
        )
        self._events.serve(self._transport, runtime_dir, self._noise)

    async def open(self) -> None:
        """Start the helpers and the tree."""
        self._record(SupervisionEvent(event="root_started", pid=os.getpid(), facts=self._about()))
        await self._host.open()
        for step, pause in (
            (self._check_liveness, CHECK_EVERY_S),
            (self._events.announce, TIP_EVERY_S),
        ):
            self._tasks.append(asyncio.create_task(_every(pause, step)))
        self._tasks.append(asyncio.create_task(self._sample()))
        self.tell(events.Boot())

    async def finished(self) -> int:
        """Wait until the tree is down; the exit code."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """End everything, also what is still running. Nothing of the root is left afterwards."""
        for task in self._tasks:
            task.cancel()
        self._performer.close()
        await self._host.close()
        self._record(SupervisionEvent(event="root_stopped", pid=os.getpid()))
        self._events.close()
        self._transport.close()
        self._sampling.shutdown(wait=True)

    @property
    def stopping(self) -> bool:
        """Whether the tree is on its way down."""
        return self._engine.stopping or self._ended.done()

    def shut_down(self, code: int = 0) -> None:
        """Stop everything in order. Asking again is harmless."""
        if not self.stopping:
            self._record(SupervisionEvent(event="stop_asked"))
        self.tell(events.ShutdownAsked(code))

    def tell(self, event: events.Event) -> None:
        """Give the engine an event. Events told while one is in hand wait for their turn."""
        self._queue.append(event)
        if self._draining:
            return
        self._draining = True
        try:
            while self._queue:
                for command in self._engine.handle(self._queue.popleft(), self._host.now()):
                    self._performer.perform(command)
        except Exception as defect:
            # A root that no longer knows its tree must not go on: it ends, and everything with it.
            if not self._ended.done():
                self._ended.set_exception(defect)
            raise
        finally:
            self._draining = False

    # What the performer hands on.

    def reported(self, report: commands.Report) -> None:
        """Something happened to a child."""
        self._record(event_of(report))
        match report.event:
            case "ready":
                self._child_serves(report.child, report.incarnation or 0)
            case "exited":
                self._liveness.forget(report.child)
                self._usage.pop(report.child, None)
                self._over.pop(report.child, None)
            case "restarting":
                self._count_restart()

    def replied(self, reply: commands.Reply) -> None:
        """A request came to its end."""
        self._operators.replied(reply)

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

    def child_done(self, child: str, incarnation: int, done: Done) -> None:
        """It has finished all its work."""
        if done.then == "shutdown" and not self.stopping:
            say("INFO", f"{child} has finished its work: stopping", child=child)
            self.shut_down(done.code)

    # What operators ask.

    def ids(self) -> Sequence[str]:
        """The ids of all children."""
        return self._engine.ids()

    def status(self) -> dict[str, Any]:
        """The object of ``supervisor status --json``."""
        now = self._host.now()
        views = self._engine.view(now)
        sources = Sources(
            beat=self._beats.get,
            silence=lambda child: self._liveness.silence(child, now),
            usage=self._usage.get,
            total=self._events.restarts_total,
            last_word=self._output.last_word,
        )
        state = "stopping" if self.stopping else "running" if self._engine.started else "starting"
        root = root_object(
            views,
            sources,
            state=state,
            uptime=now - self._born_at,
            about={"pid": os.getpid(), **self._about()},
        )
        return tree_object(root, views, sources, now=now, wall_s=time.time())

    # Inside.

    def _host_says(self, event: HostEvent) -> None:
        if isinstance(event, events.Exited) and event.status.code != 0:
            self._tell_with_last_word(event)
        else:
            self.tell(event)

    def _tell_with_last_word(self, event: events.Exited) -> None:
        def settled() -> None:
            word = self._output.last_word(event.child, event.incarnation)
            self.tell(replace(event, detail=word))

        def in_loop() -> None:
            self._loop.call_soon_threadsafe(settled)

        self._output.when_settled(event.child, event.incarnation, in_loop)

    def _child_serves(self, child: str, incarnation: int) -> None:
        heartbeat = self._specs[child].heartbeat
        if heartbeat is not None:
            self._liveness.watch(child, incarnation, heartbeat, self._host.now())
        if not self._announced and self._all_ready(child):
            self._announced = True
            command = Path(sys.executable).with_name("supervisor")
            say("INFO", f"all children are ready; from another shell: {command} status")
            if self._announce is not None:
                self._announce()

    def _all_ready(self, newest: str) -> bool:
        views = self._engine.view(self._host.now())
        return all(view.state == "ready" or view.id == newest for view in views if view.wanted)

    def _count_restart(self) -> None:
        self._restarts += 1
        if self._max_restarts is not None and self._restarts > self._max_restarts:
            say("CRITICAL", f"more than {self._max_restarts} restarts in this run: stopping")
            self._loop.call_soon(self.shut_down, 1)

    def _record(self, event: SupervisionEvent) -> None:
        self._events.add(event)
        facts = {"child": event.child, "pid": event.pid, **event.facts}
        known = {key: value for key, value in facts.items() if value is not None}
        say(level_of(event), sentence_of(event), event=event.event, **known)
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        self._events.flush()

    def _events_not_written(self, error: StorageError) -> None:
        say("ERROR", f"supervision events cannot be written and wait in memory: {error}")
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_later(TIP_EVERY_S, self._flush)

    def _check_liveness(self) -> None:
        for late in self._liveness.check(self._host.now()):
            self.tell(events.BeatMissed(late.child, late.incarnation, late.silence))

    async def _sample(self) -> None:
        sampler = Sampler()
        while True:
            self._usage = await self._loop.run_in_executor(
                self._sampling, sampler.sample, dict(self._host.pids())
            )
            self._check_memory()
            await asyncio.sleep(SAMPLE_EVERY_S)

    def _check_memory(self) -> None:
        for child, usage in self._usage.items():
            limit = self._specs[child].program.limits.memory
            if limit is None or usage.memory <= limit:
                self._over.pop(child, None)
                continue
            self._over[child] += 1
            incarnation = self._engine.incarnation(child)
            if self._over[child] == OVER_LIMIT_SAMPLES and incarnation is not None:
                self.tell(events.LimitExceeded(child, incarnation, usage.memory, limit))

    def _about(self) -> dict[str, Any]:
        return {
            "config": self._tree.name,
            "demo": self._tree.demo,
            "state_dir": str(self._tree.state_dir),
            "version": version("supervisor-tree"),
        }


async def _every(pause: float, step: Callable[[], None]) -> None:
    while True:
        step()
        await asyncio.sleep(pause)


def _say_noise(door: str, kind: str, sentence: str, count: int) -> None:
    say("WARNING", f"refused on the {door} socket: {sentence}", kind=kind, count=count)


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
