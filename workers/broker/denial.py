"""Denials: our own refusals, each with a typed code; REJECTED is the venue's."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

DenialCode = Literal[
    "dry_run",
    "duplicate_id",
    "stale",
    "expired",
    "unknown_symbol",
    "unknown_filters",
    "unknown_tiers",
    "no_price",
    "invalid_order",
    "invalid_size",
    "invalid_price",
    "quantity_too_small",
    "below_min_notional",
    "insufficient_funds",
    "leverage",
    "short_not_allowed",
    "nothing_to_reduce",
    "paused",
    "reducing",
    "halted",
    "market_unfit",
    "storage",
    "unknown_order",
    "not_its_own",
]


class Denial(Struct, frozen=True):
    """Why something was refused before any venue saw it; ``detail`` is a sentence."""

    code: DenialCode
    detail: str
