"""``paper record``."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from workers.paper._failure import USAGE, Failure


@click.command("record")
@click.option(
    "--exchange", required=True, metavar="NAME", help="binance, bitfinex, bitunix, bybit, kraken or okx."
)
@click.option("--symbol", required=True, metavar="SYMBOL", help="The market, like BTC/USDT.")
@click.option(
    "--market", type=click.Choice(["spot", "perpetual"]), help="Default: the first that the exchange has."
)
@click.option("--timeframe", default="1m", show_default=True, help="Of the candles.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True)
@click.option("--out", required=True, metavar="FILE", help="A new file, NAME.ws.jsonl or NAME.ws.jsonl.gz.")
@click.option("--ws-url", default="", help="Another address than the exchange's own.")
@click.option("--rest-url", default="", help="Another address than the exchange's own.")
def command(
    *, exchange: str, symbol: str, market: str | None, timeframe: str, minutes: float, out: str, ws_url: str,
    rest_url: str,
) -> None:  # fmt: skip
    """Write down the raw frames of a live market.

    Each line is {"ts", "direction", "url", "frame"}. A feed replays it with source = "recorded", the file's
    name, and the same exchange, market and symbol; paper replay does it in one command. Ctrl+C ends it before
    its time, and keeps what came. Exit status 1 and no file where no frame came.

    \b
    Examples:
      paper record --exchange binance --symbol BTC/USDT --minutes 10 --out btc.ws.jsonl.gz
      paper replay btc.ws.jsonl.gz --set feed.exchange=binance --set feed.symbol=BTC/USDT
    """
    # Late: no other command needs a network.
    from workers.feed.recording_session import BadWish, run

    path = Path(out)
    if not path.name.endswith((".ws.jsonl", ".ws.jsonl.gz")):
        raise Failure(f"--out {out}: the name must end in .ws.jsonl or .ws.jsonl.gz", USAGE)
    wishes = {
        "source": "exchange", "exchange": exchange, "symbol": symbol, "timeframe": timeframe,
        "ws_url": ws_url, "rest_url": rest_url, "history": 0, **({"market": market} if market else {}),
    }  # fmt: skip
    try:
        frames = asyncio.run(run(wishes, path, minutes * 60, lambda line: click.echo(line, err=True)))
    except FileExistsError:
        raise Failure(f"--out {out}: the file exists already; name a new one", USAGE) from None
    except BadWish as error:
        raise Failure(str(error), USAGE) from error
    except OSError as error:
        kept = "; the frames before are kept" if path.exists() else ""
        raise Failure(f"--out {out}: {error.strerror}{kept}") from error
    if not frames:
        raise Failure(
            f"no frame came from {exchange} for {symbol}, so nothing is kept in {out}:"
            " is the network there, and does the exchange have this market?"
        )
    click.echo(f"{frames} frames in {out}")
