"""Questions to user code: what it is told of the moment, and what becomes of its failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import localcontext
from functools import partial
from typing import Any, TypeVar

import msgspec

from protocol.messages.market import Candle
from protocol.messages.trading import Fill
from workers.shared.core import LogLine
from workers.shared.log import iso_ms
from workers.strategy.api import Context, Log, Strategy
from workers.strategy.book import Book
from workers.strategy.desk import Desk
from workers.strategy.evaluation import Failure, asked, told
from workers.strategy.guard import Guard
from workers.strategy.moment import Moment
from workers.strategy.produced import Produced
from workers.strategy.troubles import Troubles
from workers.strategy.watch import Watch
from workers.strategy.wishes import Wish

Question = Callable[[Context], Any]
T = TypeVar("T")


class Asking:
    """Puts questions to one strategy of the process ``child``; ``guard`` is asked before each of them.

    ``waits``: the strategy may have to ask somebody else first.
    """

    def __init__(
        self, child: str, strategy: Strategy, desk: Desk, book: Book, troubles: Troubles, guard: Guard
    ) -> None:
        self._child, self._strategy, self._desk, self._book = child, strategy, desk, book
        self._troubles, self._guard = troubles, guard
        self.waits = type(strategy).ready is not Strategy.ready

    def ask(self, question: Question, moment: Moment, made: Produced) -> tuple[Wish, ...] | None:
        """Ask what is wanted; None when that failed, which is dealt with then."""
        self._guard.verify()
        said = self._put(asked, question, moment.watch, moment.at_ms, made)
        if not isinstance(said, Failure) and said and (objection := self._desk.objection(said)):
            said = Failure(objection, objection)
        if isinstance(said, Failure):
            made.changed = True
            self._failed(said, moment.facts(), moment.row, moment.at_ms, made)
            return None
        return said

    def tell_fill(self, fill: Fill, watch: Watch, row: int, made: Produced) -> None:
        """Tell of a fill; a failure counts as one of ``row``."""
        failure = self._put(
            told, lambda context: self._strategy.on_fill(context, fill), watch, fill.at_ms, made
        )
        if failure is not None:
            facts = {"symbol": fill.symbol, "at": iso_ms(fill.at_ms), "fill_id": fill.fill_id}
            self._failed(failure, facts, row, fill.at_ms, made)

    def ready(self, moment: Moment, candle: Candle | None, seen: Candle | None, made: Produced) -> bool:
        """Whether it can be asked about ``candle`` (None: at an interval), with ``seen`` as the newest one.

        One that cannot even say that is asked all the same: the failure is counted.
        """
        found = [True]

        def question(context: Context) -> None:
            if seen is not None:
                history = (*context.history, seen)[-moment.watch.length :]
                context = msgspec.structs.replace(context, history=history)
            found[0] = self._strategy.ready(context, candle)

        failure = self._put(told, question, moment.watch, moment.at_ms, made)
        if failure is not None:
            made.changed = True
            self._failed(failure, moment.facts(), moment.row, moment.at_ms, made)
            return True
        return bool(found[0])

    def _put(
        self,
        how: Callable[[Callable[[], Any]], T],
        question: Question,
        watch: Watch,
        now_ms: int,
        made: Produced,
    ) -> T:
        lines: list[LogLine] = []
        with localcontext():  # a precision that is set in there is not that of our own sums
            said = how(partial(question, self._context(watch, now_ms, lines)))
        if lines:  # was in foreign hands
            made.logs += (line for line in lines if isinstance(line, LogLine))
        return said

    def _failed(
        self, failure: Failure, facts: Mapping[str, Any], row: int, at_ms: int, made: Produced
    ) -> None:
        made.logs += self._troubles.failed(failure, facts)
        if (last_word := self._troubles.last_word(self._child, row, at_ms)) is not None:
            made.outputs.append(last_word)

    def _context(self, watch: Watch, now_ms: int, lines: list[LogLine]) -> Context:
        symbol, follows = watch.role.symbol, self._desk.follows
        return Context(
            symbol=symbol,
            timeframe=watch.role.timeframe,
            instrument=watch.role.instrument,
            history=watch.candles,
            now_ms=now_ms,
            position=self._book.position(symbol, follows=follows),
            orders=self._book.at_rest(symbol),
            log=Log(symbol, now_ms, lines),
            symbols=tuple(self._desk.watches),
            other=lambda other: self._context(self._desk.watches[other], now_ms, lines),
        )
