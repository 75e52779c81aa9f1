"""Steps that the disk would not take: kept in memory as one, to be written whole when there is room again."""

from __future__ import annotations

from typing import Final, Protocol

from workers.shared.core import Step

HELD_MOST: Final = 20_000
"""How many records and statements may wait in memory; with more the core has to wait too."""


class StorageHook(Protocol):
    """Told when the disk stops taking writes, and when it takes them again.

    Answers whether the core goes on in memory meanwhile.
    """

    def __call__(self, *, available: bool) -> bool: ...


def waits_for_the_disk(*, available: bool) -> bool:
    """The answer of a worker that does nothing which is not on disk."""
    return False


class Held:
    """What waits for the disk. Nothing of it has been told to anybody but its live prices.

    ``storage`` is the hook of :class:`workers.shared.worker.Worker`: told once when it begins and once when
    it is over.
    """

    def __init__(self, storage: StorageHook) -> None:
        self._storage = storage
        self._goes_on = False
        self.step: Step | None = None
        self.retry_at = 0.0

    def begin(self, step: Step, retry_at: float) -> None:
        """Keep ``step``, which the disk has just refused, until ``retry_at``; may be repeated."""
        if self.step is None:
            self._goes_on = self._storage(available=False)
        self.step, self.retry_at = step, retry_at

    def add(self, step: Step) -> None:
        """Keep a further step, made in memory."""
        assert self.step is not None
        self.step = _joined(self.step, step)

    def end(self) -> None:
        """All of it is written."""
        if self.step is not None:
            self.step = None
            self._storage(available=True)

    @property
    def blocks(self) -> bool:
        """Whether the core has to wait for the disk."""
        step = self.step
        return step is not None and (not self._goes_on or len(step.outputs) + len(step.writes) >= HELD_MOST)


def _joined(first: Step, then: Step) -> Step:
    """One transaction that writes both; what was told already (ticks) is left out."""
    return Step(
        outputs=first.outputs + then.outputs,
        at_ms=then.at_ms or first.at_ms,
        cursors={**first.cursors, **then.cursors},
        state=first.state if then.state is None else then.state,
        writes=first.writes + then.writes,
        logs=first.logs + then.logs,
    )
