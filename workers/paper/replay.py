"""``paper replay``."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click

from workers.paper._failure import USAGE, Failure
from workers.paper._replay_run import Result, replay, warnings
from workers.paper._replay_tree import Wishes, prepare


def _speed(_ctx: click.Context, _param: click.Parameter, value: str) -> float | Literal["max"]:
    if value == "max":
        return "max"
    try:
        factor = float(value)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1e9:
        raise click.BadParameter(f'{value!r} is neither "max" nor a factor above 0 (60: a minute a second)')
    return factor


@click.command("replay")
@click.argument("file", metavar="FILE")
@click.option("--strategy", metavar="S", help="A shipped name, file.py:Class or package.module:Class.")
@click.option("--speed", callback=_speed, default="max", show_default=True, help="max, or a factor.")
@click.option(
    "--config", metavar="TREE", help="Replay in this tree instead of a plain one of four processes."
)
@click.option("--set", "sets", multiple=True, metavar="CHILD.KEY=VALUE", help="One key for this run.")
@click.option(
    "--state-dir",
    metavar="DIR",
    help="Keep the books here; a directory that is empty or not there yet. Else they are thrown away.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    *,
    file: str,
    strategy: str | None,
    speed: float | Literal["max"],
    config: str | None,
    sets: tuple[str, ...],
    state_dir: str | None,
    as_json: bool,
) -> None:
    """Trade a recording from its first row to its last, and say what came of it.

    FILE holds candles (ts_ms,open,high,low,close,volume) or is a trade tape (ts_ms,price,amount,side[,...]),
    each trade of which is a row; .gz is unpacked. It runs in processes of its own with fresh books: mode
    paper, no breakers unless the tree or --set names them, messages to the log only. The digest is the same
    whatever the speed, and whatever is killed on the way.

    \b
    What a file cannot say, --set does:
      --set feed.time=close             ts_ms marks the end of a candle (else its start)
      --set feed.volume=quote           volume is in the quote currency (else in the base)
      --set feed.timeframe=5m  --set feed.symbol=ETH/USDT  --set feed.instrument.contract=linear

    \b
    Examples:
      paper replay candles.csv.gz --set feed.time=close
      paper replay trades.csv --strategy mine.py:Mine --state-dir books
      paper fills --state-dir books

    Seconds count from the start of the feed to the end of the recording on the broker's books.
    """
    wishes = Wishes(_recording(file), speed, strategy, sets)
    with _fresh(state_dir) as folder, _stopped_in_order():
        tree = prepare(wishes, config, folder)
        result = replay(tree, folder, hidden=state_dir is None)
        told = warnings(tree, folder)
    for warning in told:
        click.echo(f"paper: {warning}", err=True)
    click.echo(json.dumps(_object(result)) if as_json else _text(result))
    if state_dir is not None:
        click.echo(f"paper: the books are kept in {state_dir}", err=True)


def _recording(name: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        found = "it is a folder" if path.is_dir() else "no such file"
        raise Failure(f"recording {name}: {found}; name a file of candles or trades", USAGE)
    return path


@contextmanager
def _fresh(named: str | None) -> Iterator[Path]:
    if named is None:
        folder = Path(tempfile.mkdtemp(prefix="paper-replay-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    folder = Path(named).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise Failure(f"state directory {named}: {error.strerror}", USAGE) from error
    if used:
        raise Failure(f"state directory {named} is not empty; a replay begins with fresh books", USAGE)
    yield folder


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """Make SIGTERM end this command as Ctrl+C does, so that nothing goes on without it."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _object(result: Result) -> dict[str, object]:
    return {
        "candles": result.candles,
        "seconds": round(result.seconds, 3),
        "candles_per_second": round(result.candles_per_second, 1),
        "orders": result.orders,
        "fills": result.fills,
        "digest": result.digest,
    }


def _text(result: Result) -> str:
    return "\n".join(f"{name.replace('_', ' '):19} {value}" for name, value in _object(result).items())
