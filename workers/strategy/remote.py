"""The strategy ``remote``: an HTTP service evaluates. Pure: questions out, replies in.

It is asked with each candle, and with ``interval`` whenever that is over: ``POST url`` and a JSON object,
which it answers with one:

```
{"symbol": "BTC/USDT", "timeframe": "1m", "at": "2026-11-20T07:00:00.000Z", "position": "flat",
 "candles": [{"open_time": "...", "open": "1.0", "high": "1.0", "low": "1.0", "close": "1.0", "volume":
 "1.0"}], "champion": "abc" or null}

{"action": "enter_long", "confidence": 0.8, "reasons": ["..."], "champion": {"fingerprint": "abc"}}
```

Further keys of the answer: ``size``, ``stop``, ``target``, ``trail`` (fractions) and ``limit`` (a price).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from protocol.messages.market import Candle
from protocol.messages.trading import Action, Away, EquityFraction
from workers.shared.duration import seconds
from workers.shared.exits import PersonMustLook
from workers.shared.log import iso_ms
from workers.strategy.api import Context, Intent, PassingTrouble, Strategy, StrategyParameters
from workers.strategy.inquiry import Inquiry, Question, Unanswered

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
LONGEST_TIMEOUT_S: Final = 60.0


class RemoteParameters(StrategyParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``url``: of the service, https or on this machine. ``candles``: how many it is shown. ``timeout`` of
    one try, ``retries`` after it. ``champion``: the fingerprint that every answer must name."""

    url: str = "http://127.0.0.1:8080/strategy/evaluate"
    candles: Annotated[int, Meta(ge=2, le=1000)] = 50
    timeout: str | float = "5s"
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    champion: str | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a url or a time-out that cannot be."""
        super(RemoteParameters, self).__post_init__()  # noqa: UP008 - msgspec re-creates the class
        parts = urlsplit(self.url)
        parts.port  # noqa: B018 it raises for what is none
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not local and (parts.scheme != "https" or not parts.hostname):
            raise ValueError(f"url must be https, or http on this machine, found {self.url!r}")
        if not 0 < self.timeout_s <= LONGEST_TIMEOUT_S:
            raise ValueError(f"timeout must be above 0 and at most 60s, found {self.timeout!r}")

    @property
    def timeout_s(self) -> float:
        """The time-out of one try in seconds."""
        return seconds("timeout", self.timeout)


class UnfitAnswer(PersonMustLook):
    """The service evaluates with another champion than the one that was chosen."""

    def __init__(self, url: str, found: object, wanted: str | None) -> None:
        super().__init__(url, found, wanted)
        self.url, self.found, self.wanted = url, found, wanted

    def __str__(self) -> str:
        wanted = f"the champion {self.wanted!r}" if self.wanted is not None else "no fallback"
        return (
            f"{self.url} answered with the champion {self.found!r}, {wanted} is wanted; nothing is traded;"
            " correct the service or the parameter champion, then restart the strategy"
        )


class NoAnswer(PassingTrouble):
    """The service did not answer, or not what it should; this evaluation is lost."""


class AnsweredChampion(Struct, frozen=True):
    """What the service says that it evaluated with."""

    fingerprint: str
    fallback: bool = False


class Answer(Struct, frozen=True):
    """What the service says; other keys are passed over."""

    action: Action
    confidence: Decimal = Decimal(1)
    reasons: tuple[str, ...] = ()
    size: Decimal | None = None
    limit: Decimal | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Decimal | None = None
    champion: AnsweredChampion | str | None = None

    def intent(self) -> Intent:
        """Return what is wanted."""
        stop, target, trail = (
            None if level is None else Away(level) for level in (self.stop, self.target, self.trail)
        )
        return Intent(
            self.action,
            self.confidence,
            self.reasons,
            size=None if self.size is None else EquityFraction(self.size),
            limit=self.limit,
            stop=stop,
            target=target,
            trail=trail,
        )


class Remote(Strategy):
    """Asks with each candle, and whenever the interval is over; what it asks about waits for the answer. An
    answer may name its champion."""

    Parameters: ClassVar[type[StrategyParameters]] = RemoteParameters
    parameters: RemoteParameters

    def __init__(self, parameters: RemoteParameters) -> None:
        super().__init__(parameters)
        self.inquiry = Inquiry()

    @property
    def warmup(self) -> int:
        """As many candles as the service is shown."""
        return self.parameters.candles

    def ready(self, context: Context, candle: Candle | None) -> bool:
        """Whether the answer is here; asks for it when it is not."""
        key = _key(context, candle)
        if self.inquiry.has(key):
            return True
        self.inquiry.ask(Question(key, self._question(context)))
        return False

    def on_candle(self, context: Context, candle: Candle) -> list[Intent]:
        """Act on the answer. Raises NoAnswer, or UnfitAnswer, which ends the process."""
        return self._answered(_key(context, candle))

    def on_interval(self, context: Context) -> list[Intent]:
        """Act on the answer, as at a candle."""
        return self._answered(_key(context, None))

    def _answered(self, key: str) -> list[Intent]:
        reply = self.inquiry.take(key)
        if isinstance(reply, Unanswered):
            raise NoAnswer(reply.why)
        try:
            answer = msgspec.json.decode(reply.body, type=Answer, strict=False)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise NoAnswer(f"the answer cannot be read: {error}") from error
        _judge(answer.champion, self.parameters)
        return [answer.intent()]

    def _question(self, context: Context) -> dict[str, Any]:
        return {
            "symbol": context.symbol,
            "timeframe": context.timeframe,
            "at": iso_ms(context.now_ms),
            "position": context.position.direction,
            "candles": [_plain(candle) for candle in context.history],
            "champion": self.parameters.champion,
        }


def _judge(found: AnsweredChampion | str | None, parameters: RemoteParameters) -> None:
    """A fallback is never traded on; where a champion is wanted, the answer must name that one."""
    said = AnsweredChampion(found) if isinstance(found, str) else found
    name = None if said is None else said.fingerprint
    wrong = parameters.champion is not None and name != parameters.champion
    if wrong or (said is not None and said.fallback):
        raise UnfitAnswer(parameters.url, name if wrong else f"{name} (fallback)", parameters.champion)


def _plain(candle: Candle) -> dict[str, str]:
    amounts = {name: str(getattr(candle, name)) for name in ("open", "high", "low", "close", "volume")}
    return {"open_time": iso_ms(candle.open_ms), **amounts}


def _key(context: Context, candle: Candle | None) -> str:
    """Name a moment: that of a candle, or (None) of an interval."""
    if candle is None:
        return f"{context.symbol} {context.timeframe} every.{context.now_ms}"
    return f"{candle.symbol} {candle.timeframe} {candle.open_ms}.{candle.nth}"
