"""``paper equity``."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from workers.paper._failure import USAGE, Failure
from workers.paper._listing import iso
from workers.paper._telling import broker_of, telling_options

WIDTH: Final = 72
HEIGHT: Final = 14
FORMS: Final = (".png", ".svg")
NO_LIBRARY: Final = 3
"""The exit status of the drawing process where matplotlib is not installed."""

Point = tuple[int, Decimal]


@click.command("equity")
@click.option("--day", "period", flag_value="day", help="The last 24 hours of data.")
@click.option("--week", "period", flag_value="week", help="The last 7 days of data.")
@click.option("--all", "period", flag_value="all", default=True, help="Everything (default).")
@click.option("--out", metavar="FILE", help="Draw into a .png or .svg instead (needs the extra plots).")
@telling_options
def command(period: str, out: str | None, broker: str | None, as_json: bool, state_dir: str | None) -> None:
    """Show the equity over time: here, as JSON Lines, or drawn into a file.

    One value a minute of live trading, one in 15 minutes of a recording; older than a week one an hour, older
    than 90 days one a day.

    \b
    Example:
      paper equity --week --out equity.png
    """
    from workers.paper._account import read_account  # late: the broker's room takes time to import

    series = read_account(broker_of(state_dir, broker, reads=True), period).series
    if out is not None:
        _draw(series, out)
        click.echo(f"{out}: {len(series)} values")
        return
    for line in _lines(series) if as_json else plot(series):
        click.echo(line)


def _lines(series: tuple[Point, ...]) -> list[str]:
    return [
        json.dumps({"at": iso(at_ms), "at_ms": at_ms, "equity": f"{equity:f}"}) for at_ms, equity in series
    ]


def plot(series: tuple[Point, ...], width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """Return lines that draw a series with block characters, its extremes and times beside it."""
    if not series:
        return ["no values yet: they come with the first prices"]
    values = [float(series[index * len(series) // width][1]) for index in range(width)]
    low, high = min(values), max(values)
    scale = (high - low) or 1.0
    levels = [round((value - low) / scale * (height * 8 - 1)) + 1 for value in values]
    rows = ["".join(_block(level - row * 8) for level in levels) for row in range(height)]
    labels = {height - 1: f"{high:.2f}", 0: f"{low:.2f}"}
    drawn = [f"{labels.get(row, ''):>14} {rows[row]}".rstrip() for row in reversed(range(height))]
    begun, ended = iso(series[0][0])[:16], iso(series[-1][0])[:16]
    return [*drawn, f"{'':14} {begun}{ended:>{max(width - len(begun), 0)}}"]


def _block(eighths: int) -> str:
    return " ▁▂▃▄▅▆▇█"[max(0, min(eighths, 8))]


def _draw(series: tuple[Point, ...], out: str) -> None:
    """Draw in a process of its own: matplotlib is large, and gone with it."""
    path = Path(out).expanduser()
    if path.suffix not in FORMS:
        raise Failure(f"{out}: the name must end in {' or '.join(FORMS)}", USAGE)
    points = json.dumps([[at_ms, float(equity)] for at_ms, equity in series])
    command = [sys.executable, "-P", "-m", "workers.paper._drawing", str(path)]
    done = subprocess.run(command, input=points, capture_output=True, text=True, check=False)
    if done.returncode == NO_LIBRARY:
        raise Failure("drawing needs matplotlib: pip install 'supervisor-tree[plots]'")
    if done.returncode:
        raise Failure(f"{out} cannot be drawn: {done.stderr.strip().splitlines()[-1]}")
