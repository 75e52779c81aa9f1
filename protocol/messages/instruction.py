"""The conversation of an operator with a broker: kept in a journal of its own, so that a broker that is down
finds it when it returns, and does it once."""

from __future__ import annotations

from msgspec import Struct

from protocol.messages.trading import Cancel, Order


class Pause(Struct, frozen=True, tag="pause", kw_only=True):
    """No new entries, of one strategy or (None) of all; exits go on."""

    strategy: str | None = None


class Resume(Struct, frozen=True, tag="resume", kw_only=True):
    """Take back pauses and reset breakers, of one strategy or (None) of all. Not the kill switch."""

    strategy: str | None = None


class KillSwitch(Struct, frozen=True, tag="kill_switch", kw_only=True):
    """``on``: cancel all orders, close all positions, halt. Off: allow a ``Resume``."""

    on: bool


class PlaceOrder(Struct, frozen=True, tag="place_order", kw_only=True):
    """An order by hand; its ``strategy`` is ``manual``.

    ``expires_in_ms``: what is left of it is cancelled so long after the broker took it on, in time of the
    data; it stands above the order's own ``expires_ms``, which whoever does not know that time cannot set.
    """

    order: Order
    expires_in_ms: int | None = None


class CancelOrder(Struct, frozen=True, tag="cancel_order", kw_only=True):
    """Cancel one order, whoever's it is."""

    cancel: Cancel


Instruction = Pause | Resume | KillSwitch | PlaceOrder | CancelOrder


class Instructed(Struct, frozen=True, tag="instructed", kw_only=True):
    """One instruction, who gave it (``cli``, ``telegram:<chat>``, ``http``) and when (UTC)."""

    id: str
    by: str
    at_ms: int
    instruction: Instruction
