"""A market for strategies under test: records, roles, and a core that is driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from protocol.codec import ACCOUNT, MARKET, STRATEGY
from protocol.messages.market import Candle, End, Instrument, MarketRecord
from protocol.messages.stream import AccountRole, MarketRole, Record
from protocol.messages.trading import AccountRecord, StrategyRecord, Through
from workers.shared.core import LogLine, Step
from workers.strategy.api import Strategy
from workers.strategy.core import Settings, StrategyCore, Surroundings
from workers.strategy.guard import UNGUARDED, Guard
from workers.strategy.ma_cross import MaCross, MaCrossParameters

MINUTE = 60_000
SHORT_CROSS = MaCrossParameters(fast=1, slow=3)


def candle(index: int, close: object) -> Candle:
    """Return a flat candle that opens ``index`` minutes after the beginning of time."""
    price = Decimal(str(close))
    return Candle(
        symbol="BTC/USDT",
        timeframe="1m",
        open_ms=index * MINUTE,
        close_ms=(index + 1) * MINUTE,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=Decimal(1),
    )


def market(messages: Iterable[MarketRecord]) -> list[Record]:
    """Number market messages from 1."""
    return [Record(seq, seq * MINUTE, MARKET.encode(m)) for seq, m in enumerate(messages, start=1)]


def candles(closes: Sequence[object]) -> list[Record]:
    """Return consecutive candles and the end of the recording."""
    messages: list[MarketRecord] = [candle(index, close) for index, close in enumerate(closes)]
    return market([*messages, End(on_end="shutdown", at_ms=len(closes) * MINUTE)])


def account(messages: Iterable[AccountRecord]) -> list[Record]:
    """Number a broker's messages from 1."""
    return [Record(seq, 0, ACCOUNT.encode(m)) for seq, m in enumerate(messages, start=1)]


def role(contract: Literal["spot", "linear"] = "linear") -> MarketRole:
    """Return what a feed says of itself."""
    return MarketRole(
        symbol="BTC/USDT", timeframe="1m", instrument=Instrument(contract=contract), lockstep=True
    )


def made(
    strategy: Strategy | None = None,
    *,
    contract: Literal["spot", "linear"] = "linear",
    stored: bytes | None = None,
    mode: Literal["dry-run", "paper"] = "paper",
    inputs: tuple[str, ...] | None = None,
    guard: Guard | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    **settings: Any,
) -> StrategyCore:
    """Return a core that knows its feed and its broker; with ``inputs`` it has met nobody yet."""
    chosen = strategy or MaCross(SHORT_CROSS)
    hears = type(chosen).on_fill is not Strategy.on_fill
    core = StrategyCore(
        chosen,
        Settings(child="strategy", mode=mode, **settings),
        stored,
        Surroundings(clock, guard or UNGUARDED),
        inputs=inputs or (("feed", "broker") if hears else ("feed",)),
    )
    if inputs is None:
        core.introduce("feed", role(contract))
        if hears:
            core.introduce("broker", AccountRole())
    return core


@dataclass
class Taken:
    """Everything that the steps of a core said."""

    outputs: list[StrategyRecord] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    writes: int = 0
    state: bytes | None = None
    cursors: dict[str, int] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        """Take a committed step, its outputs through their bytes."""
        self.outputs += [STRATEGY.decode(STRATEGY.encode(_record(output))) for output in step.outputs]
        self.logs += step.logs
        self.writes += len(step.writes)
        self.state = step.state or self.state
        self.cursors |= step.cursors

    @property
    def decisions(self) -> list[StrategyRecord]:
        """Return the outputs without the watermarks, which depend on the batches."""
        return [output for output in self.outputs if not isinstance(output, Through)]

    def named(self, message: str) -> list[LogLine]:
        """Return the log lines of one name."""
        return [line for line in self.logs if line.message == message]


def drive(core: StrategyCore, records: Sequence[Record], taken: Taken | None = None) -> Taken:
    """Give a core records and step it until it has nothing to do."""
    taken = taken or Taken()
    core.receive("feed", records)
    while (step := core.step()) is not None:
        taken.add(step)
    return taken


def _record(output: Struct) -> StrategyRecord:
    assert isinstance(output, StrategyRecord)
    return output
