"""A real host on a loop of its own, with ears: events are collected, output is read line by line."""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from protocol.messages.control import Launch
from supervisor.engine.events import Exited, Spawned, SpawnFailed
from supervisor.engine.spec import Program
from supervisor.host.port import Birth, HostEvent
from supervisor.host.proctable import ProcessTable
from supervisor.host.real import RealHost
from tests.support.deadline import until

PUPPETS = "tests.support.puppets"
P = ParamSpec("P")
E = TypeVar("E", Spawned, SpawnFailed, Exited)


def puppet(
    child: str, incarnation: int, name: str, program: dict[str, Any] | None = None, **config: Any
) -> Birth:
    """The birth of a Python worker that runs one of the puppets with this config."""
    launch = Launch(
        child=child,
        path=f"root/{child}",
        incarnation=incarnation,
        runtime_dir="/nowhere",
        state_dir="/nowhere",
        config_dir="/nowhere",
        config=config,
    )
    start = name if ":" in name else f"{PUPPETS}:{name}"
    return Birth(child, incarnation, Program(start=start, **(program or {})), msgspec.msgpack.encode(launch))


def command(child: str, incarnation: int, *argv: str, **program: Any) -> Birth:
    """The birth of a command."""
    return Birth(child, incarnation, Program(command=argv, **program))


def is_alive(pid: int) -> bool:
    """Whether there is such a process; a zombie has ended."""
    stat = ProcessTable().stat(pid)
    return stat is not None and not stat.zombie


class Rig:
    """A real host and what was heard from it."""

    def __init__(self, preload: Sequence[str] = (PUPPETS,), capacity: int = 8) -> None:
        self.loop = asyncio.get_running_loop()
        self.heard: list[HostEvent] = []
        self.defects: list[BaseException] = []
        self.output: dict[tuple[str, int], bytes] = {}
        self._pipes: set[int] = set()
        self._silent: set[tuple[str, int]] = set()
        self.listening = True
        self.host = RealHost(
            loop=self.loop,
            sink=self.heard.append,
            broken=self.defects.append,
            attach_output=self._attach,
            preload=preload,
            capacity=capacity,
        )

    async def __aenter__(self) -> Rig:
        await self.host.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.host.close()
        for pipe in list(self._pipes):
            self._detach(pipe)

    async def event(self, kind: type[E], child: str, incarnation: int = 1) -> E:
        """Wait until such an event was heard."""
        found = await until(
            lambda: self._told(kind, child, incarnation),
            what=f"{kind.__name__} of {child} {incarnation}",
            state=lambda: (self.heard, self.output),
        )
        return found[0]

    async def runs(self, birth: Birth) -> int:
        """Spawn and wait for the Spawned; return the pid."""
        self.host.spawn(birth)
        return (await self.event(Spawned, birth.child, birth.incarnation)).pid

    async def ends(self, birth: Birth) -> Exited:
        """Spawn and wait for the end."""
        self.host.spawn(birth)
        return await self.event(Exited, birth.child, birth.incarnation)

    async def word(self, start: str, child: str, incarnation: int = 1) -> str:
        """Wait for an output line that begins with a word; return what follows it."""
        found = await until(
            lambda: [line for line in self.lines(child, incarnation) if line.startswith(start)],
            what=f"a line {start!r} of {child}",
            state=lambda: (self.heard, self.output),
        )
        return found[0][len(start) :].strip()

    async def last_words(self, child: str, incarnation: int = 1) -> str:
        """Wait until nobody holds the output of an incarnation any more; return all of it."""
        await until(lambda: (child, incarnation) in self._silent, what=f"the end of the output of {child}")
        return self.output[child, incarnation].decode("utf-8", "replace")

    def lines(self, child: str, incarnation: int = 1) -> list[str]:
        """The complete lines that an incarnation has put out so far."""
        text = self.output.get((child, incarnation), b"").decode("utf-8", "replace")
        return text[: text.rfind("\n") + 1].splitlines()

    def _told(self, kind: type[E], child: str, incarnation: int) -> list[E]:
        return [
            event
            for event in self.heard
            if isinstance(event, kind) and (event.child, event.incarnation) == (child, incarnation)
        ]

    def _attach(self, child: str, incarnation: int, pipe: int) -> None:
        os.set_blocking(pipe, False)
        self._pipes.add(pipe)
        if self.listening:
            self.loop.add_reader(pipe, self._read, (child, incarnation), pipe)

    def _read(self, key: tuple[str, int], pipe: int) -> None:
        data = os.read(pipe, 65536)
        self.output[key] = self.output.get(key, b"") + data
        if not data:
            self._silent.add(key)
            self._detach(pipe)

    def _detach(self, pipe: int) -> None:
        self._pipes.remove(pipe)
        self.loop.remove_reader(pipe)
        os.close(pipe)


def with_rig(test: Callable[Concatenate[Rig, P], Awaitable[None]]) -> Callable[P, None]:
    """Run a coroutine test on a loop of its own with an open rig as its first argument."""

    async def play(*args: P.args, **kwargs: P.kwargs) -> None:
        async with Rig() as rig:
            await test(rig, *args, **kwargs)

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(play(*args, **kwargs))

    signature = inspect.signature(test)
    fixtures = list(signature.parameters.values())[1:]
    run.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
    return run
