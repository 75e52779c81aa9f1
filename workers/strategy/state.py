"""What a strategy process keeps on disk."""

from __future__ import annotations

from typing import Final

import msgspec

from workers.shared.exits import PersonMustLook
from workers.strategy.book import Book
from workers.strategy.snapshot import NOTHING

VERSION: Final = 2


class Tally(msgspec.Struct):
    """Lifetime figures, counted up in place. ``failing`` is the number of errors in a row."""

    evaluations: int = 0
    signals: int = 0
    orders: int = 0
    errors: int = 0
    failing: int = 0
    last_error: str | None = None
    last_candle_ms: int | None = None
    last_heartbeat_ms: int | None = None


class Watched(msgspec.Struct):
    """Of one market: the last candles as they came, so that nothing is encoded again, and how far it went."""

    history: tuple[msgspec.Raw, ...] = ()
    open_ms: int = -1
    nth: int = 0
    ended: bool = False


class StrategyState(msgspec.Struct, kw_only=True):
    """All of it. ``strategy`` is what made the ``snapshot``, in the version ``strategy_version``.

    ``done_row`` is that of :class:`workers.strategy.rows.Rows`; ``cycle_ms`` is when the ``interval`` was
    last over. ``account_from`` is the first record that was heard of the broker (0: none yet): 1, or the
    oldest that it still had.
    """

    version: int = 1
    strategy: str = ""
    strategy_version: int = 1
    snapshot: msgspec.Raw = NOTHING
    tally: Tally = msgspec.field(default_factory=Tally)
    book: Book = msgspec.field(default_factory=Book)
    markets: dict[str, Watched] = msgspec.field(default_factory=dict)
    done_row: int = 0
    account_through: int = 0
    account_from: int = 0
    cycle_ms: int | None = None


class _Versioned(msgspec.Struct):
    version: int = 1


class UnreadableState(PersonMustLook):
    """The stored state cannot be gone on from."""

    def __init__(self, child: str, problem: str) -> None:
        super().__init__(child, problem)
        self.child, self.problem = child, problem

    def __str__(self) -> str:
        return (
            f"data/{self.child}.db in the state directory: {self.problem}; undo the change, set"
            f" {self.child}.discard_snapshot = true, or begin afresh with another state directory"
        )


def encode(state: StrategyState) -> bytes:
    """Return the stored form."""
    return _ENCODER.encode(state)


def decode(stored: bytes, child: str) -> StrategyState:
    """Read the stored form. Raises UnreadableState when another version wrote it, or it is damaged."""
    try:
        version = msgspec.msgpack.decode(stored, type=_Versioned).version
        if version != VERSION:
            raise UnreadableState(
                child, f"its snapshot is of version {version}, this program reads {VERSION}"
            )
        return msgspec.msgpack.decode(stored, type=StrategyState)
    except msgspec.MsgspecError as error:
        raise UnreadableState(child, f"its snapshot cannot be read ({error})") from error


_ENCODER: Final = msgspec.msgpack.Encoder()
