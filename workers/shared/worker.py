"""What a room hands to the shell, and what the shell hands to a room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from protocol.journal import Durability, Journal
from protocol.messages.control import Done, Launch
from protocol.messages.stream import Role
from protocol.publisher import Source
from protocol.retention import Policy
from protocol.subscriber import never
from workers.shared.config import WorkerConfig, decode
from workers.shared.core import Core, Step, Ticking
from workers.shared.held import StorageHook, waits_for_the_disk
from workers.shared.housekeeping import Keep
from workers.shared.log import set_level

ConfigT = TypeVar("ConfigT", bound=WorkerConfig)
Wake = Callable[[], None]
Service = Callable[[Wake], Awaitable[None]]
"""Work beside the core (a network client). It feeds the core, calls ``wake`` and is cancelled at the stop.
An exception of it ends the process."""


class Timed(Protocol):
    """A core that also acts on time."""

    def advance(self, now: float, at_ms: int) -> None:
        """Learn the time, monotonic seconds and UTC milliseconds; called before each ``step``."""
        ...

    @property
    def deadline(self) -> float | None:
        """The monotonic time at which ``step`` is wanted though nothing was received; None: never."""
        ...


@dataclass(frozen=True, kw_only=True)
class Condition:
    """How a worker thinks it does. ``reasons`` without ``critical`` mean ``degraded``.

    ``errors`` is a lifetime count; while it grows the shell reports ``degraded`` for five minutes.
    ``last_data_ms`` None: the time of the newest record received.
    """

    errors: int = 0
    last_error: str | None = None
    reasons: tuple[str, ...] = ()
    critical: bool = False
    last_data_ms: int | None = None


def never_done() -> Done | None:
    """The answer of a worker whose work has no end."""
    return None


def no_last_step() -> Step | None:
    """The answer of a worker that leaves all as it is."""
    return None


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A room, ready to be driven: its core restored, its journal open.

    ``inputs`` are the ids of the children whose streams it reads. ``role`` says to its own readers what it
    is (None: it has no stream); ``encode`` turns the outputs of a step into bodies. ``source`` is what
    readers are served where that is not the journal; ``on_asked`` hears the seq up to which a reader has
    it. ``timed`` is the core again where it acts on time, ``ticking`` where it hears live prices. ``done`` is
    asked after each step and at birth; what it returns is told to the root until that has noted it.
    ``rewinds`` says of which producers the core knows records by a key of their own, so that a producer that
    lost its last records with the machine's power may send them, or others, under numbers already used.
    ``storage`` is told when the disk stops taking writes (False) and takes them again (True), and answers
    whether the core goes on in memory meanwhile. ``closing`` is asked for a last step at an orderly end.
    ``services`` run beside the loop. ``keeps`` bound the worker's own tables, ``policy`` its stream.
    ``linger_s``: how long it goes on after a stop was asked for, so that it still hears of it.
    """

    core: Core
    journal: Journal
    inputs: tuple[str, ...] = ()
    role: Role | None = None
    encode: Callable[[Any], msgspec.Raw] | None = None
    source: Source | None = None
    on_asked: Callable[[int], None] | None = None
    timed: Timed | None = None
    ticking: Ticking | None = None
    condition: Callable[[], Condition] = Condition
    done: Callable[[], Done | None] = never_done
    services: tuple[Service, ...] = ()
    closing: Callable[[], Step | None] = no_last_step
    keeps: tuple[Keep, ...] = ()
    rewinds: Callable[[Role], bool] = never
    storage: StorageHook = waits_for_the_disk
    policy: Policy = field(default_factory=Policy)
    linger_s: float = 0.0


@dataclass(frozen=True)
class Context:
    """What a room may ask for while it is built."""

    launch: Launch

    def config(self, kind: type[ConfigT]) -> ConfigT:
        """Return the child's configuration, checked whole; sets the log level it names.

        Raises PersonMustLook with a sentence that names the key.
        """
        config = decode(self.launch.config, kind, self.launch.child)
        set_level(config.log_level)
        return config

    def open_journal(
        self, *, tables: Sequence[str] = (), durability: Durability | None = "process"
    ) -> Journal:
        """Open ``<state_dir>/data/<child>.db`` with the worker's own ``tables`` (CREATE statements).

        The stream is named by the child's id. ``durability`` None: that of what is consumed, "power" unless
        all its markets are recordings. Raises protocol.errors.JournalError.
        """
        return Journal.open(
            self.data_file(".db"), stream=self.launch.child, durability=durability, tables=tuple(tables)
        )

    def data_file(self, suffix: str) -> Path:
        """Return ``<state_dir>/data/<child><suffix>``; its folder exists afterwards."""
        folder = Path(self.launch.state_dir) / "data"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self.launch.child}{suffix}"

    def path(self, name: str) -> Path:
        """Resolve a path of the configuration against the folder of the tree file."""
        return Path(self.launch.config_dir, name)
