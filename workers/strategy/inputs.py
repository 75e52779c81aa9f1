"""What a strategy listens to: markets, and perhaps the broker. Learns who is who and keeps what came in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from protocol.messages.stream import AccountRole, MarketRole, Record, Role
from protocol.messages.tick import MarketState, Tick
from workers.shared.exits import PersonMustLook
from workers.strategy.api import Price
from workers.strategy.rows import BUFFERED, Rows
from workers.strategy.state import StrategyState
from workers.strategy.watch import Watch


class UnfitInput(PersonMustLook):
    """An input sends what a strategy cannot use, or what another one sends already."""

    def __init__(self, child: str, source: str, kind: str, problem: str) -> None:
        super().__init__(child, source, kind, problem)
        self.child, self.source, self.kind, self.problem = child, source, kind, problem

    def __str__(self) -> str:
        return (
            f"{self.child}.config.inputs: {self.source!r} sends {self.kind} records, {self.problem}; "
            "name feeds of different markets, and the broker for a strategy that hears fills"
        )


class AccountForgotten(PersonMustLook):
    """A strategy that has traded begins to listen to a broker that has forgotten what came of its orders."""

    def __init__(self, child: str, account: str, seq: int) -> None:
        super().__init__(child, account, seq)
        self.child, self.account, self.seq = child, account, seq

    def __str__(self) -> str:
        return (
            f"{self.child}.config.inputs: {self.account!r} no longer keeps what became of the first orders of"
            f" {self.child!r} (its oldest record is {self.seq}), so that nobody can tell it what it holds;"
            f" leave {self.account!r} out of its inputs, or close its position and give it another id"
        )


class Inputs:
    """``names`` are the ids in the tree file; nothing is taken in before all of them are known."""

    def __init__(self, child: str, names: Sequence[str], kept: StrategyState, length: int) -> None:
        self._child, self._names, self._kept, self._length = child, tuple(names), kept, length
        self.rows = Rows(kept.done_row)
        self.watches: dict[str, Watch] = {}
        self.account: str | None = None
        self.news: deque[Record] = deque()
        self.prices: deque[tuple[str, Price]] = deque(maxlen=BUFFERED)

    def introduce(self, source: str, role: Role) -> None:
        """Learn what an input is; harmless when repeated. Raises UnfitInput."""
        if isinstance(role, MarketRole) and source in self._names:
            self._market(source, role)
        elif isinstance(role, AccountRole) and self.account in (None, source):
            self.account = source
        else:
            kind = type(role).__name__.removesuffix("Role").lower()
            raise UnfitInput(self._child, source, kind, "which it cannot use")
        if self.known and self.rows.leading is None:
            self._open()

    def receive(self, source: str, records: Sequence[Record]) -> None:
        """Take records of one input, in order."""
        if source == self.account:
            self.news.extend(records)
        else:
            self.rows.take(source, records)

    def room(self, source: str) -> int:
        """Return how many more records of this input may wait."""
        if not self.known:
            return 0
        return self.rows.room(source) if source in self.watches else BUFFERED - len(self.news)

    def tick(self, source: str, tick: Tick) -> None:
        """Take a live price of a market; what a feed says of itself is no price."""
        if not isinstance(tick, MarketState) and source in self.watches:
            self.prices.append((source, tick))

    @property
    def known(self) -> bool:
        """Whether every input has said what it is."""
        return self.stranger is None

    @property
    def stranger(self) -> str | None:
        """The first input that has not said what it is."""
        heard = {*self.watches, self.account}
        return next((name for name in self._names if name not in heard), None)

    @property
    def leading(self) -> Watch | None:
        """The market whose rows count."""
        return next((self.watches[name] for name in self._names if name in self.watches), None)

    @property
    def lockstep(self) -> bool:
        """Whether the markets are recordings, which wait for each other."""
        return self.rows.lockstep

    def _market(self, source: str, role: MarketRole) -> None:
        if (watch := self.watches.get(source)) is not None:
            watch.role = role
            return
        for other, held in self.watches.items():
            if held.role.symbol == role.symbol:
                raise UnfitInput(self._child, source, "market", f"as {other!r} does of {role.symbol}")
        kept = self._kept.markets.get(source)
        self.watches[source] = Watch(role, self._length, self._names.index(source), kept)

    def _open(self) -> None:
        leading = self.leading
        if leading is None:
            raise UnfitInput(self._child, self._names[0], "account", "and no other input is a market")
        self.rows.lockstep = leading.role.lockstep
        for source, watch in self.watches.items():
            self.rows.open(source, watch.role.symbol, leads=watch is leading, ended=watch.ended)
