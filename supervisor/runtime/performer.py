"""Performs the engine's commands on the host and the clock; never asks the engine back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import msgspec

from protocol.messages.control import Launch
from supervisor.config import Tree
from supervisor.engine import commands, events
from supervisor.host.port import Birth, Host
from supervisor.runtime.gate import AT_ONCE, PATIENCE_S, Key, StartGate


class Desk(Protocol):
    """Who takes the commands that are for people."""

    def reported(self, report: commands.Report) -> None:
        """Something happened."""
        ...

    def replied(self, reply: commands.Reply) -> None:
        """A request came to its end."""
        ...

    def answered(self, answer: commands.Answer) -> None:
        """A call came to its end."""
        ...

    def ended(self, code: int) -> None:
        """The tree is down."""
        ...


class Performer:
    """``tell`` takes the alarms that go off.

    ``prepare`` is called before each start, for what the new process shall have in its environment besides;
    an OSError from it is a failed start.
    """

    def __init__(
        self,
        host: Host,
        tree: Tree,
        runtime_dir: str,
        desk: Desk,
        tell: Callable[[events.Event], None],
        prepare: Callable[[commands.Spawn], Mapping[str, str]],
    ) -> None:
        self._host = host
        self._tree = tree
        self._runtime_dir = runtime_dir
        self._desk = desk
        self._tell = tell
        self._prepare = prepare
        self._loop = asyncio.get_running_loop()
        self._alarms: dict[events.Timer, asyncio.TimerHandle] = {}
        self._gate: StartGate[commands.Spawn] = StartGate(AT_ONCE, self._admitted)
        self._under_way: dict[Key, asyncio.TimerHandle] = {}

    def perform(self, command: commands.Command) -> None:
        """Do what the command says; nothing here waits."""
        match command:
            case commands.Spawn():
                self._gate.enter((command.child, command.incarnation), command)
            case commands.Signal(child, incarnation):
                self._host.terminate(child, incarnation)
            case commands.DumpStacks(child, incarnation):
                self._host.dump_stacks(child, incarnation)
            case commands.Kill(child, incarnation):
                self._kill(child, incarnation)
            case commands.Arm(timer, at):
                delay = max(0.0, at - self._host.now())
                self._alarms[timer] = self._loop.call_later(delay, self._fired, timer)
            case commands.Disarm(timer):
                handle = self._alarms.pop(timer, None)
                if handle is not None:
                    handle.cancel()
            case commands.Report():
                self._report(command)
            case commands.Reply():
                self._desk.replied(command)
            case commands.Answer():
                self._desk.answered(command)
            case commands.Exit(code):
                self._desk.ended(code)

    def close(self) -> None:
        """Forget all alarms."""
        self._gate.close()
        for handle in (*self._alarms.values(), *self._under_way.values()):
            handle.cancel()
        self._alarms.clear()
        self._under_way.clear()

    def _fired(self, timer: events.Timer) -> None:
        self._alarms.pop(timer, None)
        self._tell(events.TimerFired(timer))

    def _admitted(self, key: Key, spawn: commands.Spawn) -> None:
        self._under_way[key] = self._loop.call_later(PATIENCE_S, self._make_room, key)
        self._spawn(spawn)

    def _make_room(self, key: Key) -> None:
        handle = self._under_way.pop(key, None)
        if handle is not None:
            handle.cancel()
            self._gate.leave(key)

    def _kill(self, child: str, incarnation: int) -> None:
        if self._gate.withdraw((child, incarnation)):
            self._tell(events.SpawnFailed(child, incarnation, "its turn to start had not come"))
        else:
            self._host.kill(child, incarnation)

    def _report(self, report: commands.Report) -> None:
        self._desk.reported(report)
        if report.event in {"ready", "exited"} and report.incarnation is not None:
            self._make_room((report.child, report.incarnation))

    def _spawn(self, spawn: commands.Spawn) -> None:
        try:
            besides = self._prepare(spawn)
        except OSError as error:
            detail = f"cannot make its notify socket: {error.strerror or error}"
            self._tell(events.SpawnFailed(spawn.child, spawn.incarnation, detail))
            return
        self._host.spawn(self._birth(spawn, besides))

    def _birth(self, spawn: commands.Spawn, besides: Mapping[str, str]) -> Birth:
        program = spawn.spec.program
        if besides:
            program = replace(program, environment={**program.environment, **besides})
        launch = b"" if program.start is None else msgspec.msgpack.encode(self._launch(spawn))
        return Birth(spawn.child, spawn.incarnation, program, launch)

    def _launch(self, spawn: commands.Spawn) -> Launch:
        spec = spawn.spec
        return Launch(
            child=spawn.child,
            path=spawn.path,
            incarnation=spawn.incarnation,
            runtime_dir=self._runtime_dir,
            state_dir=str(self._tree.state_dir),
            config_dir=str(self._tree.config_dir),
            heartbeat=0.0 if spec.heartbeat is None else spec.heartbeat.interval,
            shutdown=spec.shutdown if isinstance(spec.shutdown, float | int) else None,
            config=dict(spec.program.config),
            says_ready=spec.ready == "message",
        )
