"""Errors of user code: counted, told, and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.messages.trading import ErrorBudgetSpent
from workers.shared.core import LogLine
from workers.shared.exits import CannotGoOn, PersonMustLook
from workers.shared.worker import Condition
from workers.strategy.evaluation import Failure
from workers.strategy.state import Tally


class NothingWorks(PersonMustLook):
    """Every evaluation of this run failed, as often as the error budget allows: starting again is no use."""

    def __init__(self, errors: int, last: str) -> None:
        super().__init__(errors, last)
        self.errors, self.last = errors, last

    def __str__(self) -> str:
        return (
            f"all {self.errors} evaluations of this run failed, the last with {self.last}: error_budget is"
            " spent; correct the strategy, then restart it"
        )


class BudgetSpent(CannotGoOn):
    """A run had as many errors as its error budget allows, among successes or of a kind that may pass: a new
    run may do better."""

    def __init__(self, errors: int, last: str) -> None:
        super().__init__(errors, last)
        self.errors, self.last = errors, last

    def __str__(self) -> str:
        return f"{self.errors} errors in this run, the last {self.last}: error_budget is spent"


class Troubles:
    """Counts the errors of this run and of all runs; ``tally`` holds what survives a restart.

    ``successes`` are counted by whoever asks the user's code, for that happens with every candle.
    """

    def __init__(self, tally: Tally, *, warn_at: int, budget: int) -> None:
        self._tally = tally
        self._warn_at, self._budget = warn_at, budget
        self._errors = self.successes = 0
        self._may_pass = self._told = False

    def failed(self, failure: Failure, facts: Mapping[str, Any]) -> list[LogLine]:
        """Count a failure; returns what to log."""
        tally = self._tally
        tally.errors += 1
        tally.failing += 1
        tally.last_error = failure.error
        self._errors += 1
        self._may_pass = self._may_pass or failure.passing
        lines = [
            LogLine("ERROR", "strategy failed", {**facts, "error": failure.error, "exception": failure.trace})
        ]
        if tally.failing == self._warn_at:
            many = {"symbol": facts["symbol"], "errors_in_a_row": tally.failing, "error": failure.error}
            lines.append(LogLine("WARNING", "strategy keeps failing", many))
        return lines

    def recovered(self, facts: Mapping[str, Any]) -> list[LogLine]:
        """Note the first success after errors; returns what to log."""
        after, self._tally.failing = self._tally.failing, 0
        return [LogLine("INFO", "recovered", {**facts, "after_errors": after})]

    def check(self) -> None:
        """Raise NothingWorks or BudgetSpent once the budget of this run is spent (0: there is none)."""
        if not self._budget or self._errors < self._budget:
            return
        last = self._tally.last_error or "an error"
        hope = self.successes or self._may_pass
        raise BudgetSpent(self._errors, last) if hope else NothingWorks(self._errors, last)

    @property
    def spent(self) -> bool:
        """Whether :meth:`check` would raise."""
        return 0 < self._budget <= self._errors

    def last_word(self, strategy: str, row: int, at_ms: int) -> ErrorBudgetSpent | None:
        """Return what readers of the stream are told, once, when the budget is spent; else None."""
        if not self.spent or self._told:
            return None
        self._told = True
        return ErrorBudgetSpent(strategy=strategy, errors=self._errors, row=row, at_ms=at_ms)

    def condition(self) -> Condition:
        """Return the errors as health sees them."""
        tally = self._tally
        many = tally.failing >= self._warn_at
        reasons = (f"{tally.failing} errors in a row: {tally.last_error}",) if many else ()
        return Condition(errors=tally.errors, last_error=tally.last_error, reasons=reasons)
