"""Plays a strategy over a recording in several ways that must not matter, and finds where they do. Pure.

| way | what a difference shows |
|---|---|
| twice the same | it depends on a clock, on chance, or on something outside |
| begun W candles later (W: its warm-up) | its memory reaches further back than it says: it repaints |
| in one piece and restarted at random candles | its snapshot forgets something |

A strategy that remembers its last word (which side was last?) may differ at its first candles; the second
way is compared when it has spoken W times. Looking ahead is impossible by construction: only candles that
are closed are handed out. Every way is told the positions of the first one, so that only the strategy's own
memory can make a difference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from protocol.messages.market import Candle, Instrument
from workers.shared.exits import PersonMustLook
from workers.strategy.api import Context, Intent, Position, Stance, Strategy, Withdraw
from workers.strategy.evaluation import Failure, asked
from workers.strategy.orders import DIRECTION
from workers.strategy.snapshot import given_back, snapshot_of
from workers.strategy.wishes import Wish

Make = Callable[[], Strategy]
AT_LEAST: Final = 2
NEEDED_WINDOWS: Final = 4
"""A recording must hold so many warm-ups."""


@dataclass(frozen=True)
class Difference:
    """The first candle at which two ways say something else."""

    way: str
    index: int
    open_ms: int
    expected: str
    found: str


@dataclass(frozen=True)
class Verdict:
    """What came of it. ``errors`` are exceptions of user code in the first way, the first one told."""

    candles: int
    evaluations: int
    intents: int
    warmup: int
    restarts: int
    errors: int
    first_error: str | None
    differences: tuple[Difference, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.differences and not self.errors


class RefusedSnapshot(PersonMustLook):
    """A strategy does not take back what it wanted kept: its process could not be started again."""

    def __init__(self, strategy: str, error: str) -> None:
        super().__init__(strategy, error)
        self.strategy, self.error = strategy, error

    def __str__(self) -> str:
        return f"{self.strategy} does not take its snapshot back ({self.error}); correct restore or snapshot"


@dataclass
class _Played:
    """What a way said at each candle (None: not asked), and the position before it."""

    said: list[tuple[Wish, ...] | Failure | None] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)


def rehearse(
    make: Make, candles: Sequence[Candle], restarts: Collection[int], instrument: Instrument
) -> Verdict:
    """Play all ways. Raises ValueError for a recording too short to tell, BadSnapshot and RefusedSnapshot;
    whatever ``make`` raises gets out."""
    length = max(make().warmup, AT_LEAST)
    if len(candles) < NEEDED_WINDOWS * length:
        need = f"{NEEDED_WINDOWS} times the warm-up of {length} is needed"
        raise ValueError(f"the recording has {len(candles)} candles, {need}")
    play = partial(_play, make, candles, length, instrument=instrument)
    first = play()
    told = first.positions
    again, shorter = play(positions=told), play(positions=told, begin=length)
    pieces = play(positions=told, restarts=frozenset(restarts))
    ways = (
        _difference("the same again", candles, first, again, 0),
        _difference(f"with {length} candles less before it", candles, first, shorter, 3 * length),
        _difference("restarts", candles, first, pieces, 0),
    )
    return _verdict(candles, first, length, len(restarts), tuple(it for it in ways if it is not None))


def _play(
    make: Make,
    candles: Sequence[Candle],
    length: int,
    *,
    instrument: Instrument,
    positions: Sequence[Position] = (),
    restarts: Collection[int] = (),
    begin: int = 0,
) -> _Played:
    strategy, played = make(), _Played()
    window: deque[Candle] = deque(maxlen=length)
    stance: Stance = "flat"
    for index, candle in enumerate(candles):
        if index in restarts:
            strategy = _restarted(strategy, make())
        if index >= begin:
            window.append(candle)
        position = positions[index] if positions else Position(stance)
        played.positions.append(position)
        if len(window) < length:
            played.said.append(None)
            continue
        context = Context(
            candle.symbol, candle.timeframe, instrument, tuple(window), candle.close_ms, position
        )
        said = asked(partial(strategy.on_candle, context, candle))
        played.said.append(said)
        stance = _after(said, stance, instrument)
    return played


def _restarted(old: Strategy, new: Strategy) -> Strategy:
    """Hand over as a process does: through bytes."""
    failure = given_back(new, snapshot_of(old))
    if failure is not None:
        raise RefusedSnapshot(type(new).__qualname__, failure.error)
    return new


def _after(said: tuple[Wish, ...] | Failure, stance: Stance, instrument: Instrument) -> Stance:
    for wish in () if isinstance(said, Failure) else said:
        if isinstance(wish, Intent) and wish.limit is None:
            wanted = DIRECTION[wish.action]
            stance = "flat" if wanted == "short" and instrument.contract == "spot" else wanted
    return stance


def _difference(
    way: str, candles: Sequence[Candle], first: _Played, other: _Played, since: int
) -> Difference | None:
    for index in range(since, len(candles)):
        expected, found = _words(first.said[index]), _words(other.said[index])
        if expected != found:
            return Difference(way, index, candles[index].open_ms, expected, found)
    return None


def _words(said: tuple[Wish, ...] | Failure | None) -> str:
    if said is None:
        return "nothing (warming up)"
    if isinstance(said, Failure):
        return said.error
    return ", ".join(_wish(wish) for wish in said) or "nothing"


def _wish(wish: Wish) -> str:
    if isinstance(wish, Withdraw):
        return f"withdraw {wish.order or 'all'}"
    levels = (("limit", wish.limit), ("stop", wish.stop), ("target", wish.target), ("trail", wish.trail))
    told = "".join(f" {name} {level}" for name, level in levels if level is not None)
    return f"{wish.action} {wish.confidence}{told}"


def _verdict(
    candles: Sequence[Candle], first: _Played, length: int, restarts: int, found: tuple[Difference, ...]
) -> Verdict:
    failures = [it for it in first.said if isinstance(it, Failure)]
    answers = [it for it in first.said if it is not None and not isinstance(it, Failure)]
    return Verdict(
        candles=len(candles),
        evaluations=len(answers) + len(failures),
        intents=sum(map(len, answers)),
        warmup=length,
        restarts=restarts,
        errors=len(failures),
        first_error=failures[0].trace if failures else None,
        differences=found,
    )
