"""What an operator's instructions do. Each is on record with its outcome, in the transaction of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from protocol.messages.instruction import CancelOrder, Instructed, KillSwitch, Pause, PlaceOrder, Resume
from workers.broker import store
from workers.broker.breakers import BREAKERS
from workers.broker.denial import Denial
from workers.broker.desk import Desk
from workers.broker.liquidation import Liquidator
from workers.broker.notes import Notes
from workers.broker.risk import Risk
from workers.broker.state import BrokerState
from workers.broker.trading_state import KILL_SWITCH, OPERATOR, Curb

MANUAL: Final = "manual"
DONE: Final = "done"
STALE_MS: Final = 60_000
"""An order by hand that was given longer ago is refused: whoever gave it has seen another market."""


class Told(NamedTuple):
    """An instruction and its place in the journal; ``used``: its order's id is on record already."""

    seq: int
    instructed: Instructed
    used: bool = False


def tightened(waiting: Iterable[Told], state: BrokerState, risk: Risk, notes: Notes) -> bool:
    """Curb trading at once by what waits for the market, where that asks for it; whether anything did.

    :meth:`Instructions.follow` does the rest in its turn, and says what came of it.
    """
    new = [told for told in waiting if told.seq not in state.foretold and _curbed(told.instructed, risk)]
    for told in new:
        state.foretold.append(told.seq)
        waits = "in force; orders are cancelled and positions closed when the feed is heard"
        outcome = waits if isinstance(told.instructed.instruction, KillSwitch) else DONE
        _record(notes, told.instructed, outcome)
    return bool(new)


def _curbed(given: Instructed, risk: Risk) -> bool:
    match given.instruction:
        case Pause(strategy=strategy):
            return risk.curb(OPERATOR, strategy=strategy, detail=f"paused by {given.by}")
        case KillSwitch(on=True):
            return risk.curb(KILL_SWITCH, detail=f"switched on by {given.by}")
    return False


def _record(notes: Notes, given: Instructed, outcome: str) -> None:
    kind = str(type(given.instruction).__struct_config__.tag)
    notes.writes.append(store.insert_instruction(given, kind, outcome))
    notes.log("INFO", "instruction", kind=kind, by=given.by, id=given.id, outcome=outcome)


class Instructions:
    """Owned by the core; changes the state and notes what follows from it."""

    def __init__(
        self, state: BrokerState, symbol: str, notes: Notes, *, desk: Desk, risk: Risk, liquidator: Liquidator
    ) -> None:
        self._state, self._symbol, self._notes = state, symbol, notes
        self._desk, self._risk, self._liquidator = desk, risk, liquidator

    def follow(self, told: Told, now_ms: int | None) -> None:
        """Do what was told, once. ``now_ms`` is UTC, None: not known."""
        given = told.instructed
        if foretold := told.seq in self._state.foretold:
            self._state.foretold.remove(told.seq)
        match given.instruction:
            case Pause():
                put = _curbed(given, self._risk) or foretold
                outcome = DONE if put else "it was paused already"
            case Resume(strategy=strategy):
                lifted = self._risk.resume(strategy, given.by)
                outcome = self._resumed(lifted=lifted)
            case KillSwitch(on=on):
                outcome = self._kill(given, foretold=foretold) if on else self._release(given)
            case PlaceOrder():
                outcome = self._place(given, given.instruction, now_ms, used=told.used)
            case CancelOrder(cancel=cancel):
                denial = self._desk.cancel(cancel, row=self._state.handled, by_operator=True)
                outcome = _outcome(denial, DONE)
        _record(self._notes, given, outcome)

    def _resumed(self, *, lifted: bool) -> str:
        trading = self._state.trading
        done = DONE if lifted else "there was nothing to resume"
        if trading.has(KILL_SWITCH):
            return f"{done}, but the kill switch is on: switch it off first, then resume"
        curb = trading.of(None)
        return f"{done}, but the account stays {curb.state}: {curb.trigger}" if curb else done

    def _kill(self, given: Instructed, *, foretold: bool) -> str:
        if not (_curbed(given, self._risk) or foretold):
            return "it was on already"
        self._liquidator.closing(self._symbol, KILL_SWITCH)
        return DONE

    def _release(self, given: Instructed) -> str:
        """The switch goes off; the halt stays until somebody resumes."""
        if not self._state.trading.has(KILL_SWITCH):
            return "it was off already"
        by, now = given.by, self._state.at_ms
        halted = BREAKERS[KILL_SWITCH].state
        detail = f"kill switch off by {by}: resume to trade again"
        self._risk.put(Curb(trigger=OPERATOR, state=halted, critical=False, since_ms=now, detail=detail))
        self._risk.lift(KILL_SWITCH, f"switched off by {by}")
        return DONE

    def _place(self, given: Instructed, wanted: PlaceOrder, now_ms: int | None, *, used: bool) -> str:
        state = self._state
        lasts_ms = wanted.expires_in_ms
        order = replace(
            wanted.order,
            strategy=MANUAL,
            row=state.handled,
            leg=0,
            decided_ms=given.at_ms,
            expires_ms=wanted.order.expires_ms if lasts_ms is None else state.at_ms + lasts_ms,
            reason=MANUAL,
        )
        if used:
            denial: Denial | None = self._desk.used(order)
        else:
            late = now_ms is not None and now_ms - given.at_ms > STALE_MS
            stale = f"given more than {STALE_MS // 1000} s ago" if late else None
            denial = self._desk.order(order, row=state.handled, stale=stale)
        return _outcome(denial, "accepted")


def _outcome(denial: Denial | None, otherwise: str) -> str:
    return f"denied: {denial.code}, {denial.detail}" if denial else otherwise
