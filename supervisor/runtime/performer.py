"""Performs the engine's commands on the host and the clock; never asks the engine back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from protocol.messages.control import Launch
from supervisor.config import Tree
from supervisor.engine import commands, events
from supervisor.host.port import Birth, Host


class Desk(Protocol):
    """Who takes the commands that are for people."""

    def reported(self, report: commands.Report) -> None:
        """Something happened."""
        ...

    def replied(self, reply: commands.Reply) -> None:
        """A request came to its end."""
        ...

    def ended(self, code: int) -> None:
        """The tree is down."""
        ...


class Performer:
    """``tell`` takes the alarms that go off."""

    def __init__(
        self,
        host: Host,
        tree: Tree,
        runtime_dir: str,
        desk: Desk,
        tell: Callable[[events.Event], None],
    ) -> None:
        self._host = host
        self._tree = tree
        self._runtime_dir = runtime_dir
        self._desk = desk
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._alarms: dict[events.Timer, asyncio.TimerHandle] = {}

    def perform(self, command: commands.Command) -> None:
        """Do what the command says; nothing here waits."""
        match command:
            case commands.Spawn():
                self._host.spawn(self._birth(command))
            case commands.Signal(child, incarnation):
                self._host.terminate(child, incarnation)
            case commands.DumpStacks(child, incarnation):
                self._host.dump_stacks(child, incarnation)
            case commands.Kill(child, incarnation):
                self._host.kill(child, incarnation)
            case commands.Arm(timer, at):
                delay = max(0.0, at - self._host.now())
                self._alarms[timer] = self._loop.call_later(delay, self._fired, timer)
            case commands.Disarm(timer):
                handle = self._alarms.pop(timer, None)
                if handle is not None:
                    handle.cancel()
            case commands.Report():
                self._desk.reported(command)
            case commands.Reply():
                self._desk.replied(command)
            case commands.Exit(code):
                self._desk.ended(code)

    def close(self) -> None:
        """Forget all alarms."""
        for handle in self._alarms.values():
            handle.cancel()
        self._alarms.clear()

    def _fired(self, timer: events.Timer) -> None:
        self._alarms.pop(timer, None)
        self._tell(events.TimerFired(timer))

    def _birth(self, spawn: commands.Spawn) -> Birth:
        program = spawn.spec.program
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
        )
