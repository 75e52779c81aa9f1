"""Where a feed begins: at the candle after the last one that went out, or some history ago. Pure."""

from __future__ import annotations

from workers.feed.live.candles import Candles
from workers.feed.live.resample import Resampler
from workers.feed.live.settings import LiveSettings
from workers.feed.live.state import LiveState


def begun(settings: LiveSettings, state: LiveState, exchange_ms: int) -> Candles:
    """Return the candles that go on from ``state``, or begin with the history that is wished for."""
    base_ms, length_ms = settings.market.timeframe_ms, settings.length_ms
    return Candles(
        base_ms,
        _first_ms(settings, exchange_ms) - base_ms if state.last_open_ms is None else state.last_open_ms,
        resampler=Resampler(base_ms, length_ms, state.part) if length_ms > base_ms else None,
        last_close=state.last_close,
        fresh=state.last_open_ms is None,
    )


def _first_ms(settings: LiveSettings, exchange_ms: int) -> int:
    forming_ms = exchange_ms - exchange_ms % settings.market.timeframe_ms
    start_ms = (forming_ms - settings.history * settings.length_ms) // settings.length_ms * settings.length_ms
    return min(start_ms, forming_ms)
