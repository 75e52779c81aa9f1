"""How a local exchange can misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from tests.support.exchange.capture import Frame

Silence = Literal["no", "after the acknowledgement", "half-open"]


@dataclass(frozen=True)
class Faults:
    """What is wrong, from now on, for new connections and for those that stand.

    ``garbage``: before each frame one that is no JSON, or of wrong types, or with keys missing.
    ``silence``: nothing is sent after the acknowledgement; half-open: nothing is read either. ``pong``
    False: pings are never answered, data flow. ``slow_s``: a pause before each frame. ``cut_after``: the
    connection breaks off after so many frames. ``late_close_s``: closing candles come so much later.
    ``duplicate``: each frame twice. ``status``: of every HTTP answer, with ``retry_after``. ``refuse``:
    new connections are turned away. ``shutdown_after``: after so many frames the exchange says that it
    goes away. ``out_of_order``: of every two frames the second comes first. ``burst_s``: frames are kept
    back so long, then come all at once. ``skew_ms``: the exchange's clock is so far ahead of ours; its script
    and its answers go by it (``LocalExchange.clock_ms``). ``paired``: two candles come in one frame, where
    the exchange's form has a list for them. ``candleless``: candles were subscribed to and never come, while
    the rest does. ``untrusted``: a server with TLS shows a certificate that nobody trusts. ``nameless``: its
    name does not resolve (``names``). Whoever is connected when new connections become impossible loses
    theirs.
    """

    garbage: bool = False
    silence: Silence = "no"
    pong: bool = True
    slow_s: float = 0.0
    cut_after: int | None = None
    late_close_s: float = 0.0
    duplicate: bool = False
    status: int = 200
    retry_after: str | None = None
    refuse: bool = False
    shutdown_after: int | None = None
    out_of_order: bool = False
    burst_s: float = 0.0
    skew_ms: int = 0
    paired: bool = False
    candleless: bool = False
    untrusted: bool = False
    nameless: bool = False

    @property
    def wrong(self) -> dict[str, Any]:
        """What is not as it should be."""
        values = {field.name: (field.default, getattr(self, field.name)) for field in fields(self)}
        return {name: value for name, (well, value) in values.items() if value != well}

    @property
    def deaf(self) -> bool:
        """Whether nothing is read."""
        return not self.pong or self.silence == "half-open"

    @property
    def shut(self) -> bool:
        """Whether nobody can connect."""
        return self.refuse or self.untrusted or self.nameless


def together(several: Iterable[Faults]) -> Faults:
    """Return all of them at once. Raises ValueError for two that set the same."""
    found: dict[str, Any] = {}
    for faults in several:
        if not found.keys().isdisjoint(faults.wrong):
            raise ValueError(f"{faults} cannot be beside {found}")
        found |= faults.wrong
    return Faults(**found)


GARBAGE = (
    "{",
    "\x00\xff",
    '{"e":"kline","s":"BTCUSDT","k":[]}',
    '{"e":"trade","s":"BTCUSDT","t":null,"p":"NaN","q":[],"m":3,"T":"x"}',
    '{"e":"bookTicker","s":"BTCUSDT","b":"-1","B":"1","a":"0","A":"1"}',
    "[]",
    "9" * 5000,
    '{"stream":1,"data":2}',
)


def is_candle(frame: Frame) -> bool:
    """Whether a frame holds a candle, in the forms that are compared by their text: Binance's and Bybit's."""
    return any(word in frame.text.replace(" ", "") for word in ('"e":"kline"', '"topic":"kline'))


def spoiled(frame: Frame, number: int, faults: Faults) -> tuple[Frame, ...]:
    """Return what is sent instead of the frame that is the ``number``-th of its connection."""
    found = [frame, frame] if faults.duplicate else [frame]
    if faults.garbage:
        found.insert(0, replace(frame, text=GARBAGE[number % len(GARBAGE)]))
    return tuple(found)


class Shuffle:
    """Exchanges every two frames of a connection while the fault lasts; none is lost."""

    def __init__(self) -> None:
        self._held: Frame | None = None

    def turned(self, frame: Frame, faults: Faults) -> tuple[Frame, ...]:
        """Return what is sent now."""
        held, self._held = self._held, None
        if held is not None:
            return (frame, held)
        if faults.out_of_order:
            self._held = frame
            return ()
        return (frame,)


class Pairs:
    """Sends every two candles of a connection in one frame while the fault lasts; none is lost.

    For exchanges whose frames name a ``topic`` and hold a list as ``data`` (Bybit).
    """

    def __init__(self) -> None:
        self._held: Frame | None = None

    def joined(self, frame: Frame, faults: Faults) -> tuple[Frame, ...]:
        """Return what is sent now."""
        if '"topic":"kline' not in frame.text:
            return (frame,)
        held, self._held = self._held, None
        if held is not None:
            first, second = json.loads(held.text), json.loads(frame.text)
            return (replace(frame, text=json.dumps({**second, "data": first["data"] + second["data"]})),)
        if faults.paired:
            self._held = frame
            return ()
        return (frame,)
