"""What is asked by REST: candles, fundings and the exchange's clock, one question at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from workers.feed.exchanges.events import BadFrame
from workers.feed.exchanges.port import Exchange, Market
from workers.feed.live.backfill import Question
from workers.feed.live.candles import Candles
from workers.feed.live.commands import Answer, Ask
from workers.feed.live.funding import FundingClock
from workers.feed.live.opening import Opening
from workers.feed.live.rejects import Rejects
from workers.feed.live.settings import LiveSettings, Moment
from workers.feed.live.skew import Skew
from workers.shared.core import LogLine

T = TypeVar("T")

ANSWER_S: Final = 20.0
"""A question whose answer never comes counts as failed."""


class Questions:
    """The questions of one market.

    ``logs`` and ``rejects`` are told what came of them, ``skew`` the time, ``funding`` the fundings.
    """

    def __init__(
        self,
        exchange: Exchange,
        settings: LiveSettings,
        skew: Skew,
        funding: FundingClock,
        rejects: Rejects,
    ) -> None:
        self._exchange, self._settings = exchange, settings
        self._skew, self._funding, self._rejects = skew, funding, rejects
        self._asked: tuple[Ask, Question | None, float] | None = None
        self._number = 0
        self._poll_at = 0.0
        self.logs: list[LogLine] = []

    def plan(self, candles: Candles, opening: Opening, moment: Moment) -> Ask | None:
        """Return what is to be asked now."""
        if self._asked is not None:
            if moment.now >= self._asked[2]:
                late = Answer(self._asked[0].number, moment.at_ms, moment.at_ms, why="no answer in time")
                self.answered(late, candles, moment)
            return None
        asked = self._next(candles, opening, moment)
        self._skew.judge(moment.now)
        return asked

    def answered(self, answer: Answer, candles: Candles, moment: Moment) -> bool:
        """Take what came of a question; return whether it is of candles, in the exchange's form."""
        if self._asked is None or self._asked[0].number != answer.number:
            return False
        ask, question, _ = self._asked
        self._asked = None
        if question is not None:
            return self._on_history(ask, question, answer, candles, moment)
        if ask.purpose == "clock":
            self._on_clock(answer, moment)
        else:
            self._on_fundings(ask, answer, candles, moment)
        return False

    def deadline(self, candles: Candles, opening: Opening, moment: Moment) -> float:
        """Return when :meth:`plan`, or the candles, will have something to do."""
        now = moment.now
        if self._asked is not None:
            return self._asked[2]
        if self._settings.poll_s is not None:
            return self._poll_at
        times = [max(self._fundings_at(moment), candles.backfill.resting_until)]
        if opening.open or not candles.fresh:
            times.append(max(candles.deadline(now, moment.exchange_ms), now + 0.05))
        if not opening.open:
            return min(*times, now + (opening.until_ms - moment.exchange_ms) / 1000)
        if self._exchange.clock(self._settings.market.kind) is not None:
            times.append(max(self._skew.measure_at, candles.backfill.resting_until))
        return min(times)

    def _fundings_at(self, moment: Moment) -> float:
        due_ms = self._funding.due_ms()
        return float("inf") if due_ms is None else moment.now + (due_ms - moment.exchange_ms) / 1000

    def _next(self, candles: Candles, opening: Opening, moment: Moment) -> Ask | None:
        resting = moment.now < candles.backfill.resting_until
        clock = self._exchange.clock(self._settings.market.kind)
        if clock is not None and moment.now >= self._skew.measure_at and not resting:
            self._skew.asked(moment.now)
            return self._ask(Ask(self._next_number(), "clock", clock), None, moment)
        if self._fundings_at(moment) <= moment.now and not resting and self._may_poll(moment):
            return self._ask_fundings(moment)
        question = self._question(candles, opening, moment, resting=resting)
        if question is None:
            return None
        request = self._exchange.history(self._settings.market, question.start_ms, question.count)
        return self._ask(Ask(self._next_number(), "candles", request), question, moment)

    def _question(
        self, candles: Candles, opening: Opening, moment: Moment, *, resting: bool
    ) -> Question | None:
        if self._settings.poll_s is None:
            # After the close the last candle of the session is still to come.
            wanted = opening.open or not candles.fresh
            return candles.question(moment.now, moment.exchange_ms) if wanted else None
        if resting or not self._may_poll(moment):
            return None
        return candles.poll(moment.exchange_ms)

    def _may_poll(self, moment: Moment) -> bool:
        """Whether a poller's time has come; it then counts as used. Who listens may always ask."""
        if self._settings.poll_s is None:
            return True
        if moment.now < self._poll_at:
            return False
        self._poll_at = moment.now + self._settings.poll_s
        return True

    def _ask_fundings(self, moment: Moment) -> Ask | None:
        request = self._exchange.fundings(self._settings.market, self._funding.start_ms, moment.exchange_ms)
        if request is None:
            return None
        return self._ask(Ask(self._next_number(), "fundings", request), None, moment)

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _ask(self, ask: Ask, question: Question | None, moment: Moment) -> Ask:
        self._asked = (ask, question, moment.now + ANSWER_S)
        return ask

    def _on_clock(self, answer: Answer, moment: Moment) -> None:
        if answer.status != 200:
            return
        try:
            told_ms = self._exchange.parse_clock(answer.body)
        except BadFrame as error:
            self._reject(error.kind, error, moment)
        else:
            self._skew.told(told_ms, answer.sent_ms, answer.received_ms, moment.now)

    def _on_fundings(self, ask: Ask, answer: Answer, candles: Candles, moment: Moment) -> None:
        found, why = self._read(answer, self._exchange.parse_fundings)
        if found is not None:
            self._funding.answered(found, moment.exchange_ms)
            return
        self._funding.failed(moment.exchange_ms)
        if answer.status in (418, 429):
            candles.failed(moment.now, moment.exchange_ms, answer.status, answer.retry_after_s)
        self._tell_failure(ask, answer.status, why, candles.backfill.resting_until - moment.now)

    def _on_history(
        self, ask: Ask, question: Question, answer: Answer, candles: Candles, moment: Moment
    ) -> bool:
        found, why = self._read(answer, self._exchange.parse_history)
        if found is None:
            candles.failed(moment.now, moment.exchange_ms, answer.status, answer.retry_after_s)
            self._tell_failure(ask, answer.status, why, candles.backfill.resting_until - moment.now)
            return False
        for kline, fault in candles.answered(question, found, moment.exchange_ms):
            self._reject(fault, kline, moment)
        return True

    def _read(self, answer: Answer, parse: Callable[[Market, str | bytes], T]) -> tuple[T | None, str]:
        """Return what an answer says, or why it says nothing."""
        if answer.status != 200:
            return None, answer.why or f"status {answer.status}"
        try:
            return parse(self._settings.market, answer.body), ""
        except BadFrame as error:
            return None, str(error)

    def _tell_failure(self, ask: Ask, status: int | None, why: str, rests_s: float) -> None:
        level = "ERROR" if status == 418 else "WARNING"
        facts = {"path": ask.request.path, "why": why, "status": status, "rests": round(rests_s, 1)}
        self.logs.append(LogLine(level, "history not answered", facts))

    def _reject(self, kind: str, found: object, moment: Moment) -> None:
        line = self._rejects.note(kind, found, moment.now)
        if line is not None:
            self.logs.append(line)
