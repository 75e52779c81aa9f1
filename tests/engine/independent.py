"""Trees of independent children for the tests of this folder."""

from __future__ import annotations

from supervisor.engine.spec import Backoff, Intensity, SupervisorSpec, WorkerSpec


def worker(name: str, **changes: object) -> WorkerSpec:
    """A worker with quick, exact timing; ``changes`` replace fields."""
    fields: dict[str, object] = {
        "backoff": Backoff(jitter=0.0),
        "intensity": Intensity(max_restarts=3, period=60.0),
    }
    return WorkerSpec(id=name, **{**fields, **changes})  # type: ignore[arg-type]


def tree(*children: WorkerSpec, **changes: object) -> SupervisorSpec:
    """A one_for_one root over these children."""
    return SupervisorSpec(id="root", children=children, **changes)  # type: ignore[arg-type]
