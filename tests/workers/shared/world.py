"""A simulated world: real shells and journals, a network in memory, and time that is told to pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.codec import FROM_CHILD, TO_CHILD
from protocol.messages.control import Beat, Done, DoneNoted, FromChild, Launch
from protocol.places import endpoint
from protocol.transport.memory import MemoryTransport, Network
from workers.shared.shell import Shell, Surroundings
from workers.shared.worker import Context, Worker

TICK_S = 0.002
RUNTIME = "/world"

Build = Callable[[Context], Worker]


@dataclass
class Process:
    """One incarnation of a child."""

    launch: Launch
    worker: Worker
    transport: MemoryTransport
    shell: Shell
    due: float = 0.0


@dataclass
class Child:
    """What is started again and again: ``reshape`` may tamper with the worker of a life."""

    build: Build
    config: dict[str, Any]
    incarnation: int = 0
    process: Process | None = None


@dataclass
class Root:
    """The other end of the control conversation; ``notes_done`` False: it never acknowledges."""

    heard: list[tuple[str, int, FromChild]] = field(default_factory=list)
    notes_done: bool = True

    def beats(self, child: str) -> list[Beat]:
        """Return the beats of a child."""
        return [m for name, _, m in self.heard if name == child and isinstance(m, Beat)]

    def done(self, child: str) -> list[Done]:
        """Return how often a child said that it is done."""
        return [m for name, _, m in self.heard if name == child and isinstance(m, Done)]


class World:
    """Children by name. Nothing happens between calls of :meth:`run`."""

    def __init__(self, folder: Path, **network: Any) -> None:
        self.folder = folder
        self.network = Network(**network)
        self.children: dict[str, Child] = {}
        self.root = Root()
        self._door = self.network.transport().router(
            endpoint(RUNTIME, "root", "control"), self._on_child, max_bytes=FROM_CHILD.max_bytes
        )

    def add(self, name: str, build: Build, **config: Any) -> None:
        """Name a child; :meth:`start` gives it life."""
        self.children[name] = Child(build, config)

    def start(
        self,
        name: str,
        reshape: Callable[[Worker], Worker] = lambda worker: worker,
        prepare: Callable[[Shell], None] = lambda shell: None,
    ) -> Process:
        """Begin the next incarnation of a child; ``prepare`` may tamper with its shell before it opens."""
        child = self.children[name]
        child.incarnation += 1
        launch = Launch(
            child=name,
            path=f"root/{name}",
            incarnation=child.incarnation,
            runtime_dir=RUNTIME,
            state_dir=str(self.folder),
            config_dir=str(self.folder),
            config=child.config,
        )
        worker = reshape(child.build(Context(launch)))
        child.process = self._alive(launch, worker, prepare)
        return child.process

    def kill(self, name: str) -> None:
        """End a child at once: nothing is flushed, what was on its way to it is lost."""
        child = self.children[name]
        if child.process is not None:
            child.process.transport.close()
            child.process.worker.journal.close()
            child.process = None

    def run(self, seconds: float) -> None:
        """Let time pass. What a shell raises comes out here."""
        end = self.network.now + seconds
        while self.network.now < end:
            self.network.run(until=self.network.now + TICK_S)
            for process in self._living():
                self._turn(process)

    def run_until(self, condition: Callable[[], bool], seconds: float = 600.0) -> None:
        """Let time pass until something is so; fails when it never becomes so."""
        end = self.network.now + seconds
        while not condition():
            assert self.network.now < end, "it never happened"
            self.run(TICK_S)

    def close(self) -> None:
        """End all children."""
        for name in self.children:
            self.kill(name)

    def _living(self) -> list[Process]:
        return [child.process for child in self.children.values() if child.process is not None]

    def _alive(self, launch: Launch, worker: Worker, prepare: Callable[[Shell], None]) -> Process:
        transport = self.network.transport()
        process: list[Process] = []

        def wake() -> None:
            process[0].due = self.network.now

        shell = Shell(
            worker,
            launch,
            Surroundings(transport, lambda: self.network.now, lambda: int(self.network.now * 1000), wake),
        )
        process.append(Process(launch, worker, transport, shell))
        prepare(shell)
        shell.open()
        return process[0]

    def _turn(self, process: Process) -> None:
        while process.due <= self.network.now:
            process.due = process.shell.turn()
            if process.due <= self.network.now and process not in self._living():
                return

    def _on_child(self, identity: bytes, frame: bytes) -> None:
        envelope, message = FROM_CHILD.decode(frame)
        self.root.heard.append((envelope.stream, envelope.seq, message))
        if isinstance(message, Done) and self.root.notes_done:
            self._door.send(identity, TO_CHILD.encode(DoneNoted(), stream=envelope.stream, seq=envelope.seq))


@contextmanager
def world(folder: Path, **network: Any) -> Iterator[World]:
    """Give a world and end all its children."""
    made = World(folder, **network)
    try:
        yield made
    finally:
        made.close()
