"""What a strategy wants kept over a restart of its process, and how it takes that back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from workers.shared.exits import PersonMustLook
from workers.strategy.api import Strategy
from workers.strategy.evaluation import Failure, in_words, told
from workers.strategy.twin import without_twin

LARGEST_SNAPSHOT: Final = 4 * 1024 * 1024
NOTHING: Final = msgspec.Raw(msgspec.msgpack.encode({}))


class BadSnapshot(PersonMustLook):
    """What the strategy knows cannot be kept: going on would forget it at the next restart."""

    def __init__(self, strategy: str, problem: str) -> None:
        super().__init__(strategy, problem)
        self.strategy, self.problem = strategy, problem

    def __str__(self) -> str:
        return (
            f"{self.strategy}.snapshot: {self.problem}; return a dict of plain values only"
            " (numbers, strings, lists, dicts), then restart the strategy"
        )


@without_twin
def snapshot_of(strategy: Strategy) -> msgspec.Raw:
    """Return the stored form of what the strategy wants kept. Raises BadSnapshot."""
    try:
        return _encoded(strategy.snapshot())
    except BaseException as error:
        raise BadSnapshot(type(strategy).__qualname__, in_words(error)) from error


def given_back(strategy: Strategy, kept: msgspec.Raw) -> Failure | None:
    """Give it back; how that failed, if it did."""
    return told(lambda: strategy.restore(msgspec.msgpack.decode(kept, type=dict[str, Any])))


def _encoded(snapshot: Any) -> msgspec.Raw:
    if not isinstance(snapshot, dict) or not all(type(key) is str for key in snapshot):
        raise TypeError(f"a dict with strings as keys is needed, found {repr(snapshot)[:100]}")
    content = _ENCODER.encode(snapshot)
    if len(content) > LARGEST_SNAPSHOT:
        raise ValueError(f"it has {len(content)} bytes, at most {LARGEST_SNAPSHOT} are kept with each commit")
    return msgspec.Raw(content)


_ENCODER: Final = msgspec.msgpack.Encoder()
