"""Whether a connection is alive: the clocks of transport and data. Pure.

The third clock, that of candles, is in ``core``: what is closed and not final is asked for by REST.
"""

from __future__ import annotations

from typing import Final

from workers.feed.exchanges.port import Line, StreamName

PING_S: Final = 20.0
PONG_S: Final = 10.0
SILENCE_S: Final = 20.0
"""A connection that delivers no data for this long is dropped, heartbeats or not."""


class Clocks:
    """The clocks of one connection, opened at ``now``.

    ``forgiven`` are streams that were silent on the connection before as well: to drop this one for them
    would only lose what the others deliver.
    """

    def __init__(self, line: Line, now: float, forgiven: frozenset[StreamName] = frozenset()) -> None:
        self._opened_at = now
        self._own_ping = line.ping is not None
        self._lifetime_s = line.lifetime_s
        self._ping_at = now + PING_S
        self._pong_by: float | None = None
        self.data_at: float | None = None
        # When a stream began to owe something: a prompt one at once, candles after a trade. One that is told
        # again (Bitfinex) or was none of the open market (an insurance fund's) moves no candle.
        self._owed = {stream.name: now for stream in line.streams if stream.prompt}
        self._names = {stream.name for stream in line.streams}
        self._forgiven = forgiven

    def heard(self) -> None:
        """Learn that something came, whatever it was."""
        # An exchange's own pong may be lost among data; a pong of the protocol must come.
        if self._own_ping:
            self._pong_by = None

    def ponged(self) -> None:
        """Learn that our ping was answered."""
        self._pong_by = None

    def data(self, stream: StreamName, now: float) -> None:
        """Learn that a stream delivered, right or wrong."""
        self.data_at = now
        self._owed.pop(stream, None)

    def traded(self, now: float) -> None:
        """Learn of a new trade of the open market: a version of its candle is to follow."""
        if "candles" in self._names:
            self._owed.setdefault("candles", now)

    def pinged(self, now: float) -> None:
        """Learn that our ping has gone out."""
        self._ping_at = now + PING_S
        self._pong_by = now + PONG_S if self._pong_by is None else self._pong_by

    def ping_due(self, now: float) -> bool:
        """Whether it is time for a ping."""
        return now >= self._ping_at

    def silent(self, now: float) -> StreamName | None:
        """Return a stream that owes data for too long."""
        for stream, since in self._owed.items():
            if stream not in self._forgiven and now >= since + SILENCE_S:
                return stream
        return None

    def excuse(self, now: float) -> None:
        """Begin the clocks of data afresh: the market is closed, no data is in order."""
        self.data_at = now
        self._owed = dict.fromkeys(self._owed, now)

    def verdict(self, now: float) -> str | None:
        """Return why this connection must go; None: it may stay."""
        if self._pong_by is not None and now >= self._pong_by:
            return f"no pong within {PONG_S:g} s"
        if now >= self._data_by:
            return f"no data for {SILENCE_S:g} s"
        if (stream := self.silent(now)) is not None:
            return f"no {stream} for {SILENCE_S:g} s"
        return None

    def worn(self, now: float) -> bool:
        """Whether the exchange would soon cut it."""
        return self._lifetime_s is not None and now >= self._opened_at + self._lifetime_s

    @property
    def deadline(self) -> float:
        """When the next of the clocks strikes."""
        owed = [at + SILENCE_S for name, at in self._owed.items() if name not in self._forgiven]
        times = [self._ping_at, self._data_by, *owed]
        if self._pong_by is not None:
            times.append(self._pong_by)
        if self._lifetime_s is not None:
            times.append(self._opened_at + self._lifetime_s)
        return min(times)

    @property
    def _data_by(self) -> float:
        return (self._opened_at if self.data_at is None else self.data_at) + SILENCE_S
