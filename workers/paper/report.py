"""``paper report``."""

from __future__ import annotations

import json
from typing import Any

import click

from workers.paper._failure import USAGE, Failure
from workers.paper._listing import iso
from workers.paper._telling import broker_of, telling_options

COLUMNS = ("trades", "wins", "realised", "fees", "win_rate", "profit_factor", "expectancy")


@click.command("report")
@click.option("--day", is_flag=True, help="The last 24 hours of data.")
@click.option("--week", is_flag=True, help="The last 7 days of data.")
@click.option("--all", is_flag=True, help="Everything (default).")
@telling_options
def command(broker: str | None, as_json: bool, state_dir: str | None, **periods: bool) -> None:
    """Show what the account made: trades, win rate, profit factor, expectancy, drawdown, Sharpe, Sortino.

    A trade is a round trip, from flat to flat; what it made is after fees and funding. Sharpe and Sortino are
    annualised, from daily returns of the stored equity (hourly below two weeks). What keeps the broker from
    trading is listed last: ``paper resume`` resets it. Where older orders and trades were forgotten
    (``keep_history`` of the broker), it is told from when on they are on record.

    \b
    Example:
      paper report --week --json
    """
    from workers.paper._account import read_account, report  # late: the broker's room takes time to import

    period = _one_of([name for name, wanted in periods.items() if wanted])
    found = report(read_account(broker_of(state_dir, broker, reads=True), period), period)
    click.echo(json.dumps(found) if as_json else _text(found))


def _one_of(periods: list[str]) -> str:
    if len(periods) > 1:
        named = " and ".join(f"--{name}" for name in periods)
        raise Failure(f"{named} were given: one period at a time", USAGE)
    return periods[0] if periods else "all"


def _text(found: dict[str, Any]) -> str:
    times = {"from": found["from_ms"], "to": found["to_ms"]}
    if found["kept_from_ms"] is not None:
        times["on record from"] = found["kept_from_ms"]
    lines = [f"{name:14} {iso(at) if at is not None else ''}".rstrip() for name, at in times.items()]
    plain = {k: v for k, v in found.items() if not isinstance(v, dict | list) and not k.endswith("_ms")}
    lines += [
        f"{name.replace('_', ' '):14} {'' if value is None else value}".rstrip()
        for name, value in plain.items()
    ]
    if found["denied"]:
        lines.append(
            "denied         " + ", ".join(f"{code} {count}" for code, count in found["denied"].items())
        )
    for group in ("by_strategy", "by_reason"):
        lines += _table(group.replace("_", " "), found[group])
    for curb in found["trading"]:
        until = "until it is reset" if curb["until_ms"] is None else f"until {iso(curb['until_ms'])}"
        lines.append(f"{curb['strategy'] or 'account'} is {curb['state']}: {curb['trigger']}, {until}")
    return "\n".join(lines)


def _table(title: str, groups: dict[str, dict[str, Any]]) -> list[str]:
    if not groups:
        return []
    cells: list[tuple[str, ...]] = [(title, *COLUMNS)]
    cells += [
        (name, *("" if one[c] is None else str(one[c]) for c in COLUMNS)) for name, one in groups.items()
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells]
    return ["", *(row.rstrip() for row in rows)]
