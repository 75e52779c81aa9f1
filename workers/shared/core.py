"""The port between a worker's pure core and the shell that feeds, commits and publishes for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from protocol.messages.stream import Record, Role
from protocol.messages.tick import Tick


@dataclass(frozen=True)
class Write:
    """One statement for the worker's own tables, run in the transaction of its step."""

    sql: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True)
class LogLine:
    """A line to log once the step is committed; ``message`` is a fixed name, the facts are fields."""

    level: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Everything one transaction writes, and what is said afterwards.

    ``outputs`` become records of the worker's own stream, in order; ``cursors`` are the last seq done
    of each input that moved; ``state`` replaces the stored state of the core (None: unchanged).

    ``ticks`` are told to whoever listens now, and are never written. A step with nothing but ticks and logs
    makes no transaction.
    """

    outputs: tuple[msgspec.Struct, ...] = ()
    at_ms: int = 0
    cursors: Mapping[str, int] = field(default_factory=dict)
    state: bytes | None = None
    writes: tuple[Write, ...] = ()
    logs: tuple[LogLine, ...] = ()
    ticks: tuple[Tick, ...] = ()

    @property
    def writes_anything(self) -> bool:
        """Whether there is anything for a transaction."""
        return bool(self.outputs or self.cursors or self.writes) or self.state is not None


class Ticking(Protocol):
    """A core that also hears live prices."""

    def tick(self, source: str, tick: Tick) -> None:
        """Take a live price of an input; ``step`` is called afterwards.

        What came while the core was busy may have been thinned out: of quotes, marks and states only the
        newest of a symbol is told; of trades the oldest are dropped beyond a bound.
        """
        ...


class Core(Protocol):
    """A pure worker: records in by ``receive``, decisions out by ``step``."""

    def introduce(self, source: str, role: Role) -> None:
        """Learn what an input is; called at first contact, before any of its records. May be repeated."""
        ...

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Take records of one input, consecutive and in order. Decides nothing yet."""
        ...

    def room(self, source: str) -> int:
        """How many further records of this input may be received now (0: hold it back)."""
        ...

    def step(self) -> Step | None:
        """Decide as far as the received records allow; None when something is missing.

        The caller commits the step before it calls again.
        """
        ...

    @property
    def waiting_for(self) -> str | None:
        """The id of the input without which no step is possible, for status; None when idle or busy."""
        ...

    def counters(self) -> dict[str, int | str | None]:
        """Lifetime figures, restored with the state."""
        ...
