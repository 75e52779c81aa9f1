"""``paper order``."""

from __future__ import annotations

import secrets
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, Literal, cast

import click

from protocol.messages.instruction import PlaceOrder
from protocol.messages.trading import (
    AtPrice,
    Away,
    Bracket,
    EquityFraction,
    Level,
    Order,
    OrderKind,
    Quantity,
    Size,
    WholePosition,
)
from workers.paper._databases import opened
from workers.paper._failure import USAGE, Failure
from workers.paper._telling import MANUAL, broker_of, tell, telling_options

SHORTEST_S: Final = Decimal("0.001")
LONGEST_S: Final = 10 * 365 * 86_400
MOST_DIGITS: Final = 100
"""Before the point or behind it; what the broker makes of so many it says itself."""
LONGEST_SYMBOL: Final = 64


class Amount(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.3 on
    """A decimal number above 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Read it, or fail in words."""
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            found = Decimal("NaN")
        if not found.is_finite() or found <= 0:
            self.fail(f"{value!r} is not a number above 0", param, ctx)
        if abs(found.adjusted()) >= MOST_DIGITS:
            self.fail(f"{value!r} has more than {MOST_DIGITS} digits", param, ctx)
        return found


class Lasting(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.3 on
    """A length of time in seconds, kept as ms: 0.001 s to ten years."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or fail in words."""
        seconds = Amount().convert(value, param, ctx)
        if not SHORTEST_S <= seconds <= LONGEST_S:
            self.fail(f"{value!r} is not {SHORTEST_S} to {LONGEST_S} (ten years) seconds", param, ctx)
        return int(seconds * 1000)


class LevelType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.3 on
    """A price, or a distance such as 2%."""

    name = "price|N%"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Level:
        """Read it, or fail in words."""
        if isinstance(value, AtPrice | Away):
            return value
        number = Amount().convert(str(value).removesuffix("%"), param, ctx)
        return Away(number / 100) if str(value).endswith("%") else AtPrice(number)


class SizeType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic from click 8.3 on
    """A quantity, a part of the equity such as 5%, or ``all``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Size:
        """Read it, or fail in words."""
        if isinstance(value, EquityFraction | Quantity | WholePosition):
            return value
        if value == "all":
            return WholePosition()
        number = Amount().convert(str(value).removesuffix("%"), param, ctx)
        return EquityFraction(number / 100) if str(value).endswith("%") else Quantity(number)


@click.command("order")
@click.argument("side", type=click.Choice(["buy", "sell"]))
@click.argument("size", type=SizeType())
@click.option("--symbol", help="Needed only where the broker has seen several.")
@click.option("--limit", type=Amount(), help="A limit order; with --stop a stop-limit.")
@click.option("--stop", type=Amount(), help="Wait until this price is touched.")
@click.option("--trail", type=LevelType(), help="A trailing stop at this distance.")
@click.option("--ioc", is_flag=True, help="Cancel at once what cannot be had at once.")
@click.option("--post-only", is_flag=True, help="Never take: rejected where it would.")
@click.option("--reduce-only", is_flag=True, help="Only reduce what is held; always so for the size all.")
@click.option("--stop-loss", type=LevelType(), help="Protect the entry by a stop at a price, or so far away.")
@click.option("--take-profit", type=LevelType(), help="And by a target; one cancels the other.")
@click.option("--expires-in", type=Lasting(), help="Cancel what is left after so long, in time of the data.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@telling_options
def command(
    *,
    yes: bool,
    broker: str | None,
    as_json: bool,
    state_dir: str | None,
    symbol: str | None,
    expires_in: int | None,
    **wanted: Any,
) -> None:
    """Place one order by hand. It is shown, and placed when you confirm.

    SIZE is a quantity of the base currency, a part of the equity such as 5%, or all (of the position). What
    the broker denies ends with exit status 1; see ``paper orders`` for all others.

    \b
    Examples:
      paper order buy 0.01 --stop-loss 2% --take-profit 4%
      paper order sell all
      paper order buy 5% --limit 41000 --expires-in 3600 --yes
    """
    if symbol is not None and not (symbol.strip() and len(symbol) <= LONGEST_SYMBOL):
        what = f"longer than {LONGEST_SYMBOL} characters" if symbol.strip() else "empty"
        raise Failure(f"--symbol is {what}: name a market, such as BTC/USDT, or leave it out", USAGE)
    books = broker_of(state_dir, broker)
    order = _order(_symbol(books) if symbol is None else symbol, wanted)
    if not yes:
        shown = _shown(order, expires_in)
        click.confirm(f"{shown}\nPlace this order with {books.stem}?", abort=True, err=True)
    tell(books, PlaceOrder(order=order, expires_in_ms=expires_in), as_json=as_json)


def _order(symbol: str, wanted: dict[str, Any]) -> Order:
    stop_loss, target = wanted["stop_loss"], wanted["take_profit"]
    return Order(
        client_order_id=f"manual-{secrets.token_hex(8)}",
        strategy=MANUAL,
        symbol=symbol,
        row=0,
        leg=0,
        decided_ms=time.time_ns() // 1_000_000,
        side=cast(Literal["buy", "sell"], wanted["side"]),
        size=wanted["size"],
        reduce_only=wanted["reduce_only"] or isinstance(wanted["size"], WholePosition),
        kind=_kind(wanted),
        limit=wanted["limit"],
        stop=wanted["stop"],
        trail=wanted["trail"],
        time_in_force="ioc" if wanted["ioc"] else "gtc",
        post_only=wanted["post_only"],
        bracket=Bracket(stop=stop_loss, target=target) if stop_loss or target else None,
        reason=MANUAL,
    )


def _kind(wanted: dict[str, Any]) -> OrderKind:
    if wanted["trail"]:
        return "trailing"
    if wanted["stop"]:
        return "stop_limit" if wanted["limit"] else "stop"
    return "limit" if wanted["limit"] else "market"


def _symbol(books: Path) -> str:
    """Return the one symbol that the broker has seen; fails in words when that is not one."""
    from workers.broker.state import restore  # late: the broker's room brings all that a process needs

    with opened(books) as connection:
        found = connection.execute("SELECT body FROM core_state").fetchone()
    marks = sorted(restore(bytes(found[0]), Decimal(1)).marks) if found else []
    if len(marks) != 1:
        seen = ", ".join(marks) or "none yet"
        raise Failure(f"say which market with --symbol (the broker has seen {seen})", USAGE)
    return marks[0]


def _shown(order: Order, expires_in_ms: int | None) -> str:
    """Write an order for the eye: what is not said is left out."""
    lines = [f"  {order.side} {_size(order.size)} {order.symbol}, {order.kind.replace('_', ' ')}"]
    prices: dict[str, Decimal | Level | None] = {"limit": order.limit, "stop": order.stop}
    prices["trail"] = order.trail
    if order.bracket is not None:
        prices |= {"protected by a stop": order.bracket.stop, "and by a target": order.bracket.target}
    lines += [f"  {name} {_level(price)}" for name, price in prices.items() if price is not None]
    flags = [order.time_in_force == "ioc" and "ioc", order.post_only and "post only"]
    flags.append(order.reduce_only and "reduce only")
    if words := [flag for flag in flags if flag]:
        lines.append(f"  {', '.join(words)}")
    if expires_in_ms is not None:
        seconds = Decimal(expires_in_ms) / 1000
        lines.append(f"  expires {seconds:f} s after it is taken on, in time of the data")
    return "\n".join(lines)


def _size(size: Size) -> str:
    match size:
        case EquityFraction(fraction=fraction):
            return f"{fraction * 100:f} % of equity of"
        case Quantity(amount=amount):
            return f"{amount:f}"
        case _:
            return "all that is held of"


def _level(level: Level | Decimal) -> str:
    match level:
        case Away(fraction=fraction):
            return f"{fraction * 100:f} % away"
        case AtPrice(price=price):
            return f"at {price:f}"
        case _:
            return f"at {level:f}"
