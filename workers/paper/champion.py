"""``paper champion``."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from workers.feed.config import TIMEFRAME_MS
from workers.paper._failure import FAILED, USAGE, Failure
from workers.paper._sets import pair
from workers.paper._user_code import under_ctrl_c
from workers.shared.exits import PersonMustLook
from workers.strategy import champion_file
from workers.strategy.api import Strategy
from workers.strategy.champion import Champion, check, text_of
from workers.strategy.loading import load
from workers.strategy.source import Digests, source_of


@click.group("champion")
def command() -> None:
    """Choose a strategy with its parameters for a market, and check that nobody has changed the choice.

    A champion is a JSON or TOML file with a fingerprint over its content and over the source of the
    strategy, with the files beside it that it imports. A tree file names it: champion = "btc.json" in
    [child.config] of the strategy. It is verified at start and with every candle; a file that is missing,
    edited or made for another market ends the strategy with exit code 78.
    """


@command.command("create")
@click.argument("file", metavar="FILE")
@click.option("--strategy", required=True, metavar="S", help="A shipped name, file.py:Class or module:Class.")
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE", help="One parameter; others: the defaults."
)
@click.option("--symbol", required=True, help="The market it is chosen for, as the feed names it.")
@click.option(
    "--timeframe",
    type=click.Choice(tuple(TIMEFRAME_MS)),
    required=True,
    help="The timeframe of its candles.",
)
@click.option("--provenance", required=True, metavar="TEXT", help="Where the choice comes from, for people.")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def create(
    *,
    file: str,
    strategy: str,
    sets: tuple[str, ...],
    symbol: str,
    timeframe: str,
    provenance: str,
    force: bool,
) -> None:
    """Write a champion to FILE (.json or .toml).

    \b
    Example:
      paper champion create btc.json --strategy ma_cross --set fast=5 --set slow=30 \\
          --symbol BTC/USDT --timeframe 1m --provenance "grid search of 2026-11-01"
    """
    path = Path(file)
    if path.suffix not in {".json", ".toml"}:
        raise Failure(f"{file}: name a .json or a .toml file", USAGE)
    name = _relative(strategy, path)
    found = _loaded(name, dict(map(pair, sets)), path, USAGE)
    source = _digests(found, path)
    champion = Champion(
        strategy=name,
        parameters=msgspec.to_builtins(found.parameters),
        symbol=symbol,
        timeframe=timeframe,
        provenance=provenance,
        created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        source=source.own,
        helpers=dict(source.helpers),
    ).sealed()
    _checked(champion, source, file)
    _write(path, champion, force=force)
    click.echo(f"{file}: {name} for {symbol} {timeframe}, fingerprint {champion.fingerprint[:16]}")


@command.command("verify")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
def verify(*, files: tuple[str, ...]) -> None:
    """Check champions as the strategy does. Exit status: 0 all are whole; 1 one is not.

    \b
    Example:
      paper champion verify btc.json eth.toml
    """
    for file in files:
        champion = _verified(file)
        click.echo(f"{file}: whole, {champion.strategy} for {champion.symbol} {champion.timeframe}")


@command.command("show")
@click.argument("file", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(*, file: str, as_json: bool) -> None:
    """Show what a champion says, and whether it is whole. Exit status: 0 it is; 1 it is not.

    \b
    Example:
      paper champion show btc.json --json
    """
    champion = _read(file)
    plain = msgspec.to_builtins(champion)
    if as_json:
        click.echo(json.dumps(plain))
    else:
        for key, value in plain.items():
            click.echo(f"{key:12} {json.dumps(value) if isinstance(value, dict) else value}")
    _verified(file)


def _verified(file: str) -> Champion:
    champion, path = _read(file), Path(file)
    strategy = _loaded(champion.strategy, champion.parameters, path)
    _checked(champion, _digests(strategy, path), file)
    return champion


def _read(file: str) -> Champion:
    try:
        return champion_file.read(Path(file))
    except PersonMustLook as error:
        raise Failure(str(error), FAILED) from error


def _digests(strategy: Strategy, path: Path) -> Digests:
    try:
        return champion_file.digests_of(source_of(type(strategy)), path)
    except PersonMustLook as error:
        raise Failure(str(error), FAILED) from error


def _checked(champion: Champion, source: Digests, file: str) -> None:
    try:
        check(champion, source, file)
    except PersonMustLook as error:
        raise Failure(str(error), FAILED) from error


def _loaded(name: str, parameters: dict[str, Any], path: Path, exit_code: int = FAILED) -> Any:
    try:
        with under_ctrl_c():
            return load(name, parameters, child="strategy", folder=path.parent)
    except PersonMustLook as error:
        raise Failure(str(error), exit_code) from error


def _relative(name: str, path: Path) -> str:
    """Make the path of a strategy in a file relative to the champion."""
    where, colon, kind = name.rpartition(":")
    if not (colon and where.endswith(".py")):
        return name
    return f"{os.path.relpath(Path(where).absolute(), path.absolute().parent)}:{kind}"


def _write(path: Path, champion: Champion, *, force: bool) -> None:
    try:
        text = text_of(champion, toml=path.suffix == ".toml")
        with path.open("w" if force else "x", encoding="utf-8") as target:
            target.write(text)
    except FileExistsError:
        raise Failure(f"{path} exists already; use --force to replace it", FAILED) from None
    except (OSError, ValueError) as error:
        raise Failure(f"cannot write {path}: {error}", FAILED) from error
