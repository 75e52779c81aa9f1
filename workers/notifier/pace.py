"""How fast a channel is used, and how long it is left alone after a failure. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from workers.notifier.outcome import Outcome, Refused

GROUP_MESSAGES: Final = 20
GROUP_WINDOW_S: Final = 60.0


class Pace(Struct, frozen=True, kw_only=True):
    """``between_s`` from one message to the next, at most ``most`` in any ``window_s`` (0: no such limit).

    After failures the pause grows from ``first_s``, doubling, to ``last_s``; what the server asks for
    (Retry-After) is obeyed where it is longer.
    """

    between_s: float = 1.0
    first_s: float = 1.0
    last_s: float = 300.0
    most: int = 0
    window_s: float = GROUP_WINDOW_S

    def wait_s(self, sent: Iterable[float], now: float) -> float:
        """Return how long the next message must wait; ``sent`` are the times of earlier ones, ascending."""
        times = list(sent)
        waits = [times[-1] + self.between_s - now] if times else []
        if self.most and len(times) >= self.most:
            waits.append(times[-self.most] + self.window_s - now)
        return max(0.0, *waits) if waits else 0.0

    def pause_s(self, outcome: Outcome, failures: int) -> float:
        """Return how long to wait after a failure; ``failures`` in a row, this one included."""
        if not isinstance(outcome, Refused):
            return 0.0
        growing = min(self.first_s * 2.0 ** min(failures - 1, 30), self.last_s)
        return max(growing, outcome.wait_s or 0.0)


def pace_of_chat(chat_id: str) -> Pace:
    """Return the pace that Telegram asks for: one a second in any chat, 20 a minute in groups."""
    return Pace(most=GROUP_MESSAGES) if chat_id.startswith(("-", "@")) else Pace()
