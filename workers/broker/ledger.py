"""The books: what is held, what it cost, and where every cent of cash came from.

```
equity = cash0 + realised - fees + funding + sum(quantity x mark - cost)
```

``cost`` is quantity times average entry, kept instead of the average because a weighted average is rarely a
finite decimal while the cost always is. ``cash`` is counted on its own, flow by flow, and :meth:`Books.check`
compares the two accounts to the last digit. A spot trade moves its notional through cash; a linear contract
moves only its profit.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from workers.broker.errors import LedgerBroken
from workers.broker.money import CENT, ZERO, exactly, floor_to, ratio, share

Contract = Literal["spot", "linear"]


class Position(Struct, frozen=True):
    """A signed quantity (negative: short) and what it cost (same sign), in quote currency."""

    contract: Contract
    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def average(self) -> Decimal:
        """The weighted average entry price; 0 when nothing is held."""
        return ratio(self.cost, self.quantity) if self.quantity else ZERO

    def traded(self, quantity: Decimal, price: Decimal) -> tuple[Position, Decimal]:
        """Return the position after a signed quantity at ``price``, and the profit that closed.

        Adding raises the cost. Reducing realises and leaves the average. More than is held closes all of
        it and opens the rest at ``price``.
        """
        if self.quantity * quantity >= 0:
            return self._add(quantity, price), ZERO
        closed = min(abs(quantity), abs(self.quantity)).copy_sign(self.quantity)
        released = share(self.cost, closed, self.quantity)
        rest = Position(self.contract, self.quantity - closed, self.cost - released)
        return rest._add(quantity + closed, price), closed * price - released

    def _add(self, quantity: Decimal, price: Decimal) -> Position:
        return Position(self.contract, self.quantity + quantity, self.cost + quantity * price)


class Flow(Struct, frozen=True):
    """One change of cash and the balance after it; a row of the table ``ledger``."""

    kind: Literal["deposit", "trade", "realised", "fee", "funding"]
    amount: Decimal
    balance: Decimal


class Booking(Struct, frozen=True):
    """What a trade did: the books after it, the profit it closed, the flows of cash in order."""

    books: Books
    realised: Decimal
    flows: tuple[Flow, ...]


class Books(Struct, frozen=True):
    """The account. Immutable: each trade or funding returns new books."""

    cash0: Decimal
    cash: Decimal
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)

    @staticmethod
    def opened(cash: Decimal) -> Books:
        """Return the books of a new account."""
        return Books(cash0=cash, cash=cash)

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity held."""
        held = self.positions.get(symbol)
        return held.quantity if held else ZERO

    @exactly
    def traded(
        self, symbol: str, contract: Contract, quantity: Decimal, price: Decimal, fee: Decimal
    ) -> Booking:
        """Book a signed quantity at ``price`` with its ``fee`` (positive: paid)."""
        old = self.positions.get(symbol) or Position(contract)
        new, realised = old.traded(quantity, price)
        spot = old.contract == "spot"
        moved = Flow("trade" if spot else "realised", -quantity * price if spot else realised, ZERO)
        flows = self._balanced(moved, Flow("fee", -fee, ZERO))
        books = replace(
            self,
            cash=flows[-1].balance if flows else self.cash,
            realised=self.realised + realised,
            fees=self.fees + fee,
            positions=self._with(symbol, new),
        )
        return Booking(books, realised, flows)

    @exactly
    def funded(self, quantity: Decimal, mark: Decimal, rate: Decimal) -> Booking:
        """Book funding of a signed linear quantity: minus quantity x mark x rate, rounded against us."""
        amount = floor_to(-quantity * mark * rate, CENT)
        flows = self._balanced(Flow("funding", amount, ZERO))
        books = replace(self, cash=self.cash + amount, funding=self.funding + amount)
        return Booking(books, ZERO, flows)

    @exactly
    def equity(self, marks: Mapping[str, Decimal]) -> Decimal:
        """Return the worth of the account with each position at its mark (its cost where none is known)."""
        return self.cash0 + self.realised - self.fees + self.funding + self._unrealised(marks)

    @exactly
    def check(self) -> None:
        """Compare the counted cash with the cash that the books explain.

        Raises:
            LedgerBroken: they differ, by whatever digit.
        """
        invested = sum((p.cost for p in self.positions.values() if p.contract == "spot"), ZERO)
        explained = self.cash0 + self.realised - self.fees + self.funding - invested
        if self.cash != explained:
            raise LedgerBroken(self.cash, explained)

    def _unrealised(self, marks: Mapping[str, Decimal]) -> Decimal:
        worth = ZERO
        for symbol, held in self.positions.items():
            if symbol in marks:
                worth += held.quantity * marks[symbol] - held.cost
        return worth

    def _balanced(self, *flows: Flow) -> tuple[Flow, ...]:
        balance, kept = self.cash, []
        for flow in flows:
            if flow.amount:
                balance += flow.amount
                kept.append(replace(flow, balance=balance))
        return tuple(kept)

    def _with(self, symbol: str, position: Position) -> dict[str, Position]:
        others = {name: held for name, held in self.positions.items() if name != symbol}
        return {**others, symbol: position} if position.quantity else others
