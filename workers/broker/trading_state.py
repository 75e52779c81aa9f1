"""How much trading is allowed, for the account and for each strategy: a set of curbs, the strictest counts.

```
ACTIVE -> REDUCING -> HALTED        entries need ACTIVE; exits are always allowed
```
A curb is there until it expires by itself, or an operator resets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from protocol.messages.trading import TradingChanged, TradingState

SEVERITY: Final[dict[TradingState, int]] = {"active": 0, "reducing": 1, "halted": 2}
KILL_SWITCH: Final = "kill_switch"
OPERATOR: Final = "operator"


class Curb(Struct, frozen=True, kw_only=True):
    """Why less is allowed. ``strategy`` None: the account. ``until_ms`` None: until an operator resets it."""

    trigger: str
    state: TradingState
    critical: bool
    since_ms: int
    strategy: str | None = None
    until_ms: int | None = None
    detail: str | None = None


class Trading(Struct, kw_only=True):
    """The curbs in force. Owned by the core; each method returns what has to be told."""

    curbs: list[Curb] = field(default_factory=list)

    def of(self, strategy: str | None) -> Curb | None:
        """Return the strictest curb on a strategy (None: on the account alone); None when it is active."""
        mine = [curb for curb in self.curbs if curb.strategy in (None, strategy)]
        return max(mine, key=lambda curb: SEVERITY[curb.state], default=None)

    @property
    def halted(self) -> bool:
        """Whether the account is halted."""
        return any(curb.state == "halted" and curb.strategy is None for curb in self.curbs)

    def has(self, trigger: str, strategy: str | None = None) -> bool:
        """Whether such a curb is in force."""
        return any(curb.trigger == trigger and curb.strategy == strategy for curb in self.curbs)

    def put(self, curb: Curb) -> TradingChanged | None:
        """Put a curb in force; None when the same is already, which then stays as it is."""
        if self.has(curb.trigger, curb.strategy):
            return None
        self.curbs.append(curb)
        return _told(curb, curb.state, curb.since_ms, curb.detail)

    def expire(self, at_ms: int) -> list[TradingChanged]:
        """Lift what ends by itself."""
        return self.lift(lambda curb: curb.until_ms is not None and curb.until_ms <= at_ms, at_ms, "expired")

    def lift(self, wanted: Callable[[Curb], bool], at_ms: int, detail: str) -> list[TradingChanged]:
        """Lift all curbs that are ``wanted``; what is told is the state that then holds."""
        if not self.curbs:
            return []
        lifted = [curb for curb in self.curbs if wanted(curb)]
        self.curbs = [curb for curb in self.curbs if curb not in lifted]
        return [_told(curb, self._state_of(curb.strategy), at_ms, detail) for curb in lifted]

    def _state_of(self, strategy: str | None) -> TradingState:
        curb = self.of(strategy)
        return curb.state if curb is not None else "active"


def _told(curb: Curb, state: TradingState, at_ms: int, detail: str | None) -> TradingChanged:
    return TradingChanged(
        state=state,
        trigger=curb.trigger,
        critical=curb.critical,
        at_ms=at_ms,
        strategy=curb.strategy,
        until_ms=curb.until_ms,
        detail=detail,
    )
