"""What can go wrong in the broker's core.

```
BrokerError
|-- IllegalTransition   an order was told something that cannot follow its state (a defect of the caller)
|-- UnfitInput          an input is neither a market nor a strategy (PersonMustLook: exit 78)
|-- LedgerBroken        the books do not add up             (PersonMustLook: exit 78)
|-- CorruptState        the stored state cannot be read back (PersonMustLook: exit 78)
|-- OtherVersion        the stored state is of another version (PersonMustLook: exit 78)
`-- BadFundingFile      the file of funding rates is not one    (PersonMustLook: exit 78)
```
``IllegalTransition`` lives beside its table in ``orders.py``.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from protocol.messages.stream import Role
from workers.shared.exits import PersonMustLook


class BrokerError(Exception):
    """Base of the broker's own errors."""


class LedgerBroken(BrokerError, PersonMustLook):
    """The cash that was counted differs from the cash that the books explain."""

    def __init__(self, counted: Decimal, explained: Decimal) -> None:
        super().__init__(counted, explained)
        self.counted, self.explained = counted, explained

    def __str__(self) -> str:
        return (
            f"the books do not balance: cash is {self.counted}, but start + realised - fees + funding"
            f" explains {self.explained}; nothing is traded any more: keep broker.db for inspection and"
            " start with a fresh state directory or a backup"
        )


class UnfitInput(BrokerError, PersonMustLook):
    """An input of the broker is not something that a broker reads."""

    def __init__(self, source: str, role: Role, market: str | None) -> None:
        super().__init__(source, role, market)
        self.source, self.role, self.market = source, role, market

    def __str__(self) -> str:
        found = type(self.role).__name__.removesuffix("Role").lower()
        beside = f" beside the market {self.market!r}" if self.market and found == "market" else ""
        return (
            f"input {self.source!r} of the broker sends {found}{beside}: it needs one feed and any number of"
            " strategies; correct the key inputs of its config"
        )


class CorruptState(BrokerError, PersonMustLook):
    """The stored state of the broker cannot be read back."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"the stored state of the broker cannot be read ({self.cause}): put back a backup of"
            " data/broker.db, or start with a fresh state directory"
        )


class OtherVersion(BrokerError, PersonMustLook):
    """The stored state is of another version of this program; nothing was changed."""

    def __init__(self, found: int, wanted: int) -> None:
        super().__init__(found, wanted)
        self.found, self.wanted = found, wanted

    def __str__(self) -> str:
        return (
            f"these books were kept by another version (their form is {self.found}, this program reads"
            f" {self.wanted}): go on with the program that kept them, or begin a new account with a fresh"
            " state directory; nothing was changed"
        )


class BadFundingFile(BrokerError, PersonMustLook):
    """The file of funding rates cannot be used."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(path, found)
        self.path, self.found = path, found

    def __str__(self) -> str:
        return (
            f"funding file {self.path}: {self.found}; it needs the header ts_ms,rate and rows in order of"
            " time, such as 1641600000000,0.0001 (an empty rate: not known)"
        )
