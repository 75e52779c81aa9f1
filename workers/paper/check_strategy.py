"""``paper check-strategy``."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from protocol.messages.market import Candle, Instrument
from workers.paper._failure import FAILED, USAGE, Failure
from workers.paper._listing import iso
from workers.paper._sets import Sets, sets_option
from workers.paper._user_code import under_ctrl_c
from workers.shared.exits import PersonMustLook
from workers.strategy.loading import complete, load
from workers.strategy.rehearsal import Make, Verdict, rehearse

RESTARTS: Final = 50
SEED: Final = 7


@click.command("check-strategy")
@click.argument("strategy", metavar="FILE[:CLASS]")
@click.option("--data", required=True, metavar="RECORDING", help="A file of candles; .gz is unpacked.")
@click.option("--restarts", type=click.IntRange(0), default=RESTARTS, show_default=True, help="How many.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="Where the restarts are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@sets_option
def command(*, strategy: str, data: str, restarts: int, seed: int, as_json: bool, sets: Sets) -> None:
    """Check that a strategy neither repaints nor forgets: it must say the same however it is run.

    It is played over RECORDING twice in one piece, once begun later by its warm-up, and once with its
    process restarted at random candles. A way in which it says something else is shown with the candle
    where it begins. Looking ahead is impossible: only closed candles are handed out. A shipped name or
    package.module:Class may stand for FILE; of a file with one strategy its class need not be named.

    \b
    Parameters and the recording's form are set as in a replay:
      --set strategy.parameters.lookback=50   --set feed.time=close   --set feed.volume=quote

    \b
    Exit status: 0 the same intents in all ways; 1 not, or it raised; 2 usage.

    \b
    Example:
      paper check-strategy my_strategy.py --data candles.csv.gz
    """
    candles, instrument = _recorded(data, sets.of("feed"))
    with under_ctrl_c():
        name, make = _loaded(strategy, sets.of("strategy.parameters"))
        places = random.Random(seed).sample(range(1, len(candles)), min(restarts, len(candles) - 1))
        verdict = _rehearsed(make, candles, places, instrument)
    click.echo(json.dumps({"strategy": name, **_object(verdict)}) if as_json else _text(name, verdict))
    if not verdict.sound:
        raise click.exceptions.Exit(FAILED)


def _loaded(strategy: str, parameters: Mapping[str, Any]) -> tuple[str, Make]:
    try:
        name = complete(strategy, folder=Path.cwd())
        make = partial(load, name, parameters, child="strategy", folder=Path.cwd())
        make()
    except PersonMustLook as error:
        raise Failure(str(error), USAGE) from error
    return name, make


def _rehearsed(
    make: Make, candles: Sequence[Candle], places: Sequence[int], instrument: Instrument
) -> Verdict:
    try:
        return rehearse(make, candles, places, instrument)
    except PersonMustLook as error:
        raise Failure(str(error), FAILED) from error
    except ValueError as error:
        raise Failure(str(error), USAGE) from error


def _recorded(file: str, keys: Mapping[str, Any]) -> tuple[list[Candle], Instrument]:
    # Late: the feed's room is needed by this command only.
    from workers.feed.config import FeedConfig
    from workers.feed.recording import load as load_recording
    from workers.shared.config import decode

    try:
        config = decode({"source": "recorded", "file": file, **keys}, FeedConfig, "feed")
        recording = load_recording(Path(file), config)
    except PersonMustLook as error:
        raise Failure(str(error), USAGE) from error
    messages = (recording.message(seq) for seq in range(1, recording.count + 1))
    return [it for it in messages if isinstance(it, Candle)], config.instrument.as_message()


def _object(verdict: Verdict) -> dict[str, Any]:
    told = msgspec.to_builtins(asdict(verdict))
    for difference in told["differences"]:
        difference["at"] = iso(difference["open_ms"])
    return {"sound": verdict.sound, **told}


def _text(name: str, verdict: Verdict) -> str:
    lines = [
        f"{name}: {verdict.candles} candles, {verdict.evaluations} evaluations, {verdict.intents} intents,"
        f" warm-up {verdict.warmup}, {verdict.restarts} restarts"
    ]
    if verdict.errors:
        lines += [f"it raised {verdict.errors} times, first:", (verdict.first_error or "").rstrip()]
    for it in verdict.differences:
        lines.append(f"{it.way}: differs at candle {iso(it.open_ms)} (row {it.index + 1})")
        lines += [f"  in one piece  {it.expected}", f"  {'this way':12}  {it.found}"]
    if verdict.sound:
        lines.append("the same intents in all ways")
    return "\n".join(lines)
