"""Backoff: how long to wait before a restart."""

from __future__ import annotations

from collections.abc import Callable

from supervisor.engine.spec import Backoff

_FIRST_STEP_S = 1.0
"""Where a backoff that begins with an immediate restart continues."""


def restart_delay(backoff: Backoff, attempt: int, uniform: Callable[[], float]) -> float:
    """Seconds to wait before restart ``attempt`` (1 is the first after a stable run).

    ``uniform``, numbers in [0, 1), spreads the delay downward by at most ``jitter``, also at the cap, so that
    children that failed together do not come back together and ``max`` is never exceeded.
    """
    if backoff.initial > 0:
        base, exponent = backoff.initial, attempt - 1
    elif attempt == 1:
        return 0.0
    else:
        base, exponent = _FIRST_STEP_S, attempt - 2
    return _capped(base, backoff.factor, exponent, backoff.max) * (1 - backoff.jitter * uniform())


def _capped(base: float, factor: float, exponent: int, cap: float) -> float:
    try:
        return min(cap, base * factor**exponent)
    except OverflowError:
        return cap
