"""Whatever user code does within one evaluation costs that evaluation, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from decimal import Decimal, Inexact, getcontext
from typing import Any, ClassVar, Final

import pytest

from protocol.codec import STRATEGY
from protocol.messages.stream import AccountRole
from protocol.messages.trading import EquityFraction, Fill, Quantity, Signal, Through, WholePosition
from tests.workers.strategy.market import Taken, account, candles, drive, made, role
from tests.workers.strategy.test_account import filled
from workers.shared.exits import PersonMustLook
from workers.strategy.api import (
    MOST_LINES,
    AtPrice,
    Away,
    Candle,
    Context,
    Intent,
    Risk,
    Strategy,
    StrategyParameters,
    Withdraw,
)
from workers.strategy.wishes import MOST_WISHES

D = Decimal
CLOSES = [1, 2, 3]
LONG: Final = "enter_long"


class Said(Strategy):
    """Answers what the test says."""

    def __init__(self, answer: Callable[[Context], Any]) -> None:
        super().__init__(StrategyParameters())
        self.answer = answer

    def on_candle(self, context: Context, candle: Candle) -> Any:
        return self.answer(context)


def played(answer: Callable[[Context], Any]) -> Taken:
    """Play a strategy whose inputs name the broker, so that everything is allowed."""
    core = made(Said(answer), inputs=("feed", "broker"), error_budget=0)
    core.introduce("feed", role())
    core.introduce("broker", AccountRole())
    core.receive("broker", account([Through(row=100)]))
    return drive(core, candles(CLOSES))


def raising(error: BaseException) -> Callable[[Context], Any]:
    """Answer by raising."""

    def answer(context: Context) -> Any:
        raise error

    return answer


def deep(context: Context) -> Any:
    """Never come back from recursion."""
    return deep(context)


def endless(_context: Context) -> Iterator[Intent]:
    """Never stop to want something."""
    while True:
        yield Intent("exit")


def torn(_context: Context) -> Iterator[Intent]:
    """Fail while the answer is read."""
    yield Intent(LONG)
    raise Nasty("torn")


class Nasty(BaseException):
    """No Exception."""


class Dumb(Exception):
    """Cannot say what is wrong."""

    def __str__(self) -> str:
        raise Nasty("no words")


class Faceless:
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise Nasty("no face")


class Veiled:
    """Fails when it is looked at."""

    @property
    def action(self) -> str:
        raise Nasty("veiled")


def one_error_a_candle(taken: Taken) -> list[str]:
    """Check that each evaluation failed and its row is done with; return what was said."""
    errors = [line.facts["error"] for line in taken.named("strategy failed")]
    assert len(CLOSES) - 1 == len(errors)
    assert all(len(error) <= 500 and error.encode() for error in errors)
    assert len(CLOSES) + 1 == taken.cursors["feed"]
    assert [] == taken.decisions
    return errors


@pytest.mark.req("T2", "T6")
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (raising(Nasty("x")), "Nasty: x"),
        (raising(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raising(GeneratorExit()), "GeneratorExit"),
        (raising(asyncio.CancelledError()), "CancelledError"),
        (raising(SystemExit(0)), "SystemExit: 0"),
        (raising(MemoryError()), "MemoryError"),
        (raising(ValueError("x" * 10_000_000)), "ValueError: xxx"),
        (raising(ValueError("\ud800")), "ValueError: \\ud800"),
        (raising(Dumb()), "Dumb, whose text cannot be made (Nasty)"),
        (deep, "RecursionError"),
        (torn, "Nasty: torn"),
        (endless, f"more than {MOST_WISHES} wishes"),
        (lambda _: [Veiled()], "Nasty: veiled"),
        (lambda _: [Faceless()], "Nasty: no face"),
    ],
)
def test_whatever_is_raised_is_one_error_of_the_strategy(answer: Callable[[Context], Any], told: str) -> None:
    """Also what no ``except Exception`` sees, and what cannot be told as it is."""
    assert all(told in error for error in one_error_a_candle(played(answer)))


@pytest.mark.req("T2", "T5")
@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (Intent([]), "the action is []"),  # type: ignore[arg-type]
        (Intent(LONG, 0.5), "the confidence is 0.5"),  # type: ignore[arg-type]
        (Intent(LONG, 1), "the confidence is 1"),  # type: ignore[arg-type]
        (Intent(LONG, D("-0.1")), "the confidence is"),
        (Intent(LONG, D("sNaN")), "the confidence is"),
        (Intent(LONG, reasons="why"), "what stands for reasons is 'why'"),  # type: ignore[arg-type]
        (Intent(LONG, reasons=("x",) * 21), "a tuple of up to 20 strings"),
        (Intent(LONG, reasons=("x" * 1001,)), "a string of up to 1000 bytes"),
        (Intent(LONG, reasons=("\ud800",)), "UnicodeEncodeError"),
        (Intent(LONG, reasons=(7,)), "a reason is 7"),  # type: ignore[arg-type]
        (Intent(LONG, symbol=[]), "the symbol is []"),  # type: ignore[arg-type]
        (Intent(LONG, symbol="x" * 65), "the symbol is 'xxx"),
        (Intent(LONG, size=D(1)), "the size is Decimal('1'); allowed: EquityFraction, Quantity, Risk"),  # type: ignore[arg-type]
        (Intent(LONG, size=Quantity(D(0))), "the size is"),
        (Intent(LONG, size=Quantity(D(-1))), "the size is"),
        (Intent(LONG, size=Quantity(1.5)), "the size is"),  # type: ignore[arg-type]
        (Intent(LONG, size=Quantity(D("1e25"))), "the size is"),
        (Intent(LONG, size=Quantity(D("1e-25"))), "the size is"),
        (Intent(LONG, size=Quantity(D("1" * 41))), "the size is"),
        (Intent(LONG, size=EquityFraction(D("Infinity"))), "the size is"),
        (Intent(LONG, size=WholePosition()), "WholePosition is for an exit"),
        (Intent(LONG, size=Risk(D("0.1"))), "the size Risk needs a stop"),
        (Intent(LONG, size=Risk(D(-1)), stop=Away(D("0.1"))), "the size is"),
        (Intent(LONG, limit=1.5), "the limit is 1.5"),  # type: ignore[arg-type]
        (Intent(LONG, limit=D(0)), "the limit is"),
        (Intent(LONG, limit=D(1), post_only="yes"), "post_only is 'yes'"),  # type: ignore[arg-type]
        (Intent(LONG, limit=D(1), expires_ms=5.5), "expires_ms is 5.5"),  # type: ignore[arg-type]
        (Intent(LONG, limit=D(1), expires_ms=2**70), "expires_ms is"),
        (Intent(LONG, limit=D(1), expires_ms=True), "expires_ms is True"),
        (Intent(LONG, post_only=True), "belong to a limit"),
        (Intent(LONG, expires_ms=5), "belong to a limit"),
        (Intent(LONG, stop=D(1)), "the stop is Decimal('1')"),  # type: ignore[arg-type]
        (Intent(LONG, target=AtPrice(5.0)), "the target is"),  # type: ignore[arg-type]
        (Intent(LONG, trail=Away(D(0))), "the trail is"),
        (Withdraw(order=5), "the order is 5"),  # type: ignore[arg-type]
        (Withdraw(symbol=5), "the symbol is 5"),  # type: ignore[arg-type]
    ],
)
def test_a_wish_that_no_broker_could_read_is_an_error_of_the_strategy(wish: Any, told: str) -> None:
    """A field of another type than the record has would end the process that reads it: the broker."""
    assert all(told in error for error in one_error_a_candle(played(lambda _: [wish])))


@pytest.mark.req("T5")
@pytest.mark.parametrize(
    "wish",
    [
        Intent(LONG, D(0)),
        Intent(LONG, reasons=["a", "b"]),  # type: ignore[arg-type]
        Intent(LONG, limit=D("1e-8"), post_only=True, expires_ms=1),
        Intent(LONG, size=Risk(D("0.01")), stop=AtPrice(D(1)), target=Away(D(9)), trail=Away(D("0.1"))),
        Intent("exit", size=WholePosition()),
        Intent("hold", 7, symbol=[]),  # type: ignore[arg-type]
        Withdraw(),
        Withdraw("a" * 32, "BTC/USDT"),
    ],
)
def test_what_is_allowed_can_be_read_by_a_broker(wish: Any) -> None:
    """Everything that is sent comes back from its bytes as it was."""
    taken = played(lambda _: (one for one in [wish]))

    assert [] == taken.named("strategy failed")
    for output in taken.outputs:
        assert output == STRATEGY.decode(STRATEGY.encode(output))


@pytest.mark.req("T2")
def test_what_is_logged_cannot_fail_when_it_is_written() -> None:
    """Facts are copied when they are said: no object of user code is left in them."""
    facts: dict[str, Any] = {"level": "CRITICAL", "object": object(), "list": [D("1.5")]}

    def answer(context: Context) -> Any:
        context.log.info("said", **facts)
        facts["list"].append(1)
        context.log.warning("long", text="x" * 1_000_000)
        return None

    taken = played(answer)
    (first, *_), (long, *_) = taken.named("said"), taken.named("long")
    assert ("INFO", "CRITICAL", ["1.5"]) == (first.level, first.facts["level_"], first.facts["list"])
    assert first.facts["object"].startswith("<object object at")
    assert "BTC/USDT" == long.facts["symbol"]
    assert len(long.facts["cut"]) < 20_000


@pytest.mark.req("T2")
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda context: context.log.info("x", a=Faceless()), "Nasty: no face"),
        (lambda context: [context.log.info("x") for _ in range(MOST_LINES + 1)], "lines to the log in one"),
    ],
)
def test_a_line_that_cannot_be_made_is_an_error_of_the_strategy(
    answer: Callable[[Context], Any], told: str
) -> None:
    """Where it is said, so that the traceback names the line."""
    assert all(told in error for error in one_error_a_candle(played(answer)))


@pytest.mark.req("T2")
def test_user_code_cannot_take_others_lines_out_of_the_log() -> None:
    """What it does to the list of its own lines touches nothing else."""

    def answer(context: Context) -> Any:
        context.log.lines.clear()
        context.log.lines.append("garbage")  # type: ignore[arg-type]
        return [Intent(LONG)]

    taken = played(answer)
    assert len(CLOSES) - 1 == len(taken.named("evaluation"))
    assert len(CLOSES) - 1 == len([it for it in taken.outputs if isinstance(it, Signal)])


@pytest.mark.req("T2")
def test_user_code_cannot_change_how_others_calculate() -> None:
    """The precision that it sets for its own sums ends with the evaluation."""

    def answer(context: Context) -> Any:
        getcontext().prec = 1
        getcontext().traps[Inexact] = True
        return None

    before = getcontext().copy()
    played(answer)
    assert (before.prec, before.traps) == (getcontext().prec, getcontext().traps)


class Unready(Said):
    """Fails when it is asked whether it can be asked."""

    def ready(self, context: Context, candle: Candle | None) -> bool:
        raise Nasty("not even that")


@pytest.mark.req("T2")
def test_one_that_cannot_say_whether_it_is_ready_is_asked_and_counted() -> None:
    """Its rows do not wait for ever."""
    taken = drive(made(Unready(lambda _: [Intent(LONG)])), candles(CLOSES))

    assert {"feed": len(CLOSES) + 1} == taken.cursors
    assert len(CLOSES) - 1 == len(taken.named("strategy failed"))


class Strict(Said):
    """Asks for a person wherever it can."""

    def on_fill(self, context: Context, fill: Fill) -> None:
        raise PersonMustLook("at a fill")

    def restore(self, snapshot: dict[str, Any]) -> None:
        raise PersonMustLook("at the start")


@pytest.mark.req("T2")
def test_a_strategy_may_ask_for_a_person_anywhere() -> None:
    """Also when it hears a fill, and when it is given its snapshot back."""
    core = made(Strict(lambda _: []))
    core.receive("broker", account([Through(row=100)]))
    kept = drive(core, candles(CLOSES)).state
    with pytest.raises(PersonMustLook, match="at the start"):
        made(Strict(lambda _: []), stored=kept)

    core.receive("broker", account([Through(row=100), filled("a", "buy", "1", "1")])[1:])
    with pytest.raises(PersonMustLook, match="at a fill"):
        core.step()


class Kept(Strategy):
    """Wants something kept."""

    what: ClassVar[Any] = None

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        return []

    def snapshot(self) -> dict[str, Any]:
        if isinstance(self.what, BaseException):
            raise self.what
        return self.what  # type: ignore[no-any-return]


@pytest.mark.req("T6", "T7")
@pytest.mark.parametrize(
    ("what", "told"),
    [
        (None, "TypeError: a dict with strings as keys is needed, found None"),
        ([1], r"found \[1\]"),
        ({1: "x"}, r"found \{1: 'x'\}"),
        (
            {"x": "y" * 5_000_000},
            "ValueError: it has 5000.* bytes, at most 4194304 are kept with each commit",
        ),
        ({"x": 2**70}, "OverflowError"),
        ({"x": object()}, "TypeError: Encoding objects of type object is unsupported"),
        (KeyError("lost"), "KeyError: 'lost'"),
        (Nasty("x"), "Nasty: x"),
    ],
)
def test_a_snapshot_that_could_not_be_read_back_is_refused_when_it_is_made(what: Any, told: str) -> None:
    """Not at the next start, when nothing can be done about it any more."""
    strategy = type("Kept", (Kept,), {"what": what})(StrategyParameters())
    core = made(strategy)
    core.receive("feed", candles(CLOSES))

    with pytest.raises(PersonMustLook, match=rf"Kept\.snapshot: .*{told}"):
        core.step()
