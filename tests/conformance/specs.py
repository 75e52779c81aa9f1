"""From the specifications of a trace to those of the engine."""

from __future__ import annotations

from typing import Any, get_args

from supervisor.engine.spec import (
    AutoShutdown,
    ChildSpec,
    Intensity,
    Program,
    Restart,
    Shutdown,
    Strategy,
    SupervisorSpec,
    WorkerSpec,
)
from tests.conformance.traces import Json

ON_SHUTDOWN = "on_shutdown"
DEFAULT_SHUTDOWN_MS = 5000
WAYS_TO_STOP = ("exit", "hang", "crash")
MS = 1000.0


class NotUnderstood(Exception):
    """A trace asks for something that the driver does not know."""

    def __init__(self, what: str, found: object, known: tuple[str, ...]) -> None:
        super().__init__(what, found, known)
        self.what, self.found, self.known = what, found, known

    def __str__(self) -> str:
        return f"{self.what} {self.found!r} is not known; known are: {', '.join(map(str, self.known))}"


def supervisor_spec(spec: Json) -> SupervisorSpec:
    """The supervisor of a trace, with everything beneath it."""
    template = spec.get("template")
    return SupervisorSpec(
        id=spec["id"],
        strategy=_known("the strategy", spec["strategy"], get_args(Strategy)),
        intensity=Intensity(max_restarts=spec["intensity"], period=spec["period"]),
        auto_shutdown=_known("the auto_shutdown", spec["auto_shutdown"], get_args(AutoShutdown)),
        restart=_known("the restart type", spec.get("restart", "permanent"), get_args(Restart)),
        significant=spec.get("significant", False),
        children=tuple(child_spec(child) for child in spec.get("children", ())),
        template=None if template is None else worker_spec({"id": "template", **template}),
    )


def child_spec(spec: Json) -> ChildSpec:
    """A worker or supervisor of a trace."""
    kind = _known("the type", spec["type"], ("worker", "supervisor"))
    return supervisor_spec(spec) if kind == "supervisor" else worker_spec(spec)


def worker_spec(spec: Json) -> WorkerSpec:
    """The worker of a trace. How it ends when it is asked to stop is its program's business."""
    way = _known("on_shutdown", spec.get(ON_SHUTDOWN, "exit"), WAYS_TO_STOP)
    _known("the type of a template", spec["type"], ("worker",))
    return WorkerSpec(
        id=spec["id"],
        program=Program(config={ON_SHUTDOWN: way}),
        restart=_known("the restart type", spec["restart"], get_args(Restart)),
        significant=spec["significant"],
        shutdown=_shutdown(spec.get("shutdown", DEFAULT_SHUTDOWN_MS)),
        ready_timeout=None,
    )


def _shutdown(value: object) -> Shutdown:
    if value == "brutal_kill" or value == "infinity":  # noqa: PLR1714 - mypy narrows only so
        return value
    if isinstance(value, int):
        return value / MS
    raise NotUnderstood("the shutdown", value, ("brutal_kill", "infinity", "a number of ms"))


def _known(what: str, found: Any, known: tuple[str, ...]) -> Any:
    if found not in known:
        raise NotUnderstood(what, found, known)
    return found
