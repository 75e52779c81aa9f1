"""What a strategy process keeps on disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from protocol.messages.market import Candle
from workers.strategy.orders import Stance


class Tally(msgspec.Struct):
    """Lifetime figures, counted up in place. ``failing`` is the number of errors in a row."""

    evaluations: int = 0
    signals: int = 0
    orders: int = 0
    errors: int = 0
    failing: int = 0
    last_error: str | None = None
    last_open_ms: int = -1
    last_close_ms: int | None = None
    last_nth: int = 0

    def before(self, candle: Candle) -> bool:
        """Whether ``candle`` is newer than the last one taken."""
        return (candle.open_ms, candle.nth) > (self.last_open_ms, self.last_nth)

    def took(self, candle: Candle) -> None:
        """Remember the last candle."""
        self.last_open_ms, self.last_close_ms, self.last_nth = candle.open_ms, candle.close_ms, candle.nth


class StrategyState(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. ``history`` holds the last candles as they came, so that nothing is encoded again."""

    snapshot: Mapping[str, Any]
    stance: Stance
    tally: Tally
    history: tuple[msgspec.Raw, ...]
    account_through: int = 0


def encode(state: StrategyState) -> bytes:
    """Return the stored form."""
    return msgspec.msgpack.encode(state)


def decode(stored: bytes) -> StrategyState:
    """Read the stored form. Raises msgspec.ValidationError when it is something else."""
    return msgspec.msgpack.decode(stored, type=StrategyState)
