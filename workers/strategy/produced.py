"""What one step of the core has made so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from workers.shared.core import LogLine, Write


@dataclass
class Produced:
    """Filled while the core works through what it has; becomes a Step. ``changed``: there is a state to
    keep."""

    outputs: list[Struct] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    cursors: dict[str, int] = field(default_factory=dict)
    signals: int = 0
    at_ms: int = 0
    changed: bool = False
    cycled: bool = False

    @property
    def anything(self) -> bool:
        """Whether there is something to commit or to say."""
        return bool(self.cursors or self.outputs or self.logs or self.changed)
