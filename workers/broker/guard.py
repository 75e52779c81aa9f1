"""The guard over live prices: an error while acting on one changes nothing, is told, and it goes on."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from typing import Any, Final

from protocol.messages.trading import TradingChanged
from workers.broker.notes import Notes
from workers.broker.state import BrokerState
from workers.shared.exits import PersonMustLook

ALERT_EVERY_MS: Final = 60_000
"""Errors of one minute are one alert; each is counted and logged."""


class Guard:
    """Runs what acts on live prices, each time wholly or not at all."""

    def __init__(self, state: BrokerState, notes: Notes) -> None:
        self._state, self._notes = state, notes
        self._alerted_ms = -ALERT_EVERY_MS

    def run(self, action: Callable[[], None]) -> None:
        """Run ``action``. Raises PersonMustLook when the books are broken; nothing else."""
        before, noted = _copied(self._state), self._notes.position()
        try:
            action()
        except PersonMustLook:
            raise
        except Exception as error:  # noqa: BLE001 - one bad tick must not end the protection of a position
            trace = traceback.format_exc()
            self._notes.cut(noted)
            for name, value in before.items():
                setattr(self._state, name, value)
            self._failed(error, trace)

    def _failed(self, error: Exception, trace: str) -> None:
        state = self._state
        said = f"{type(error).__name__}: {error}"
        state.errors += 1
        state.last_error = said
        self._notes.log("ERROR", "guard failed", error=said, exception=trace)
        if state.at_ms - self._alerted_ms >= ALERT_EVERY_MS:
            self._alerted_ms = state.at_ms
            curb = state.trading.of(None)
            alert = TradingChanged(
                state=curb.state if curb else "active",
                trigger="guard",
                critical=True,
                at_ms=state.at_ms,
                detail=f"an error while acting on a price, trading goes on: {said}",
            )
            self._notes.outputs.append(alert)


def _copied(state: BrokerState) -> dict[str, Any]:
    """Return the fields of a state so that changing it leaves them alone; what they hold is immutable."""
    fields = {name: getattr(state, name) for name in state.__struct_fields__}
    for name, value in fields.items():
        if isinstance(value, dict | list):
            fields[name] = value.copy()
    fields["trading"] = copy.copy(state.trading)
    fields["trading"].curbs = list(state.trading.curbs)
    fields["watch"] = copy.copy(state.watch)
    fields["watch"].losses, fields["watch"].orders = dict(state.watch.losses), dict(state.watch.orders)
    return fields
