"""Children that come and go while the tree runs: the instances of one template."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from supervisor.api.build import plain
from supervisor.api.errors import Refused
from supervisor.config import ConfigError, Problem
from supervisor.config.build import merged
from supervisor.config.errors import shown
from supervisor.config.fields import Read, Unfit, free_table, identifier
from supervisor.engine import events
from supervisor.engine.commands import CallError
from supervisor.engine.spec import Program, SupervisorSpec
from supervisor.runtime.answers import RootEnded
from supervisor.runtime.root import Root

_WHY: Final[Mapping[CallError, str]] = {
    "noproc": "the pool is not running",
    "terminated": "the pool was stopped meanwhile",
    "not_found": "the pool has no such instance",
    "already_started": "an instance of that name runs already",
    "already_present": "an instance of that name is there already, waiting to be restarted or stopped",
    "id_in_use": "another child of the tree has that name",
    "start_failed": "it did not become ready, and is not tried again; `supervisor events` says why",
}


class Pool:
    """A ``simple_one_for_one`` group of a running tree.

    An instance is a child like any other: it is restarted as its template says, is in ``status``, and takes
    the ``supervisor`` commands. Instances are gone when the tree ends, and when the pool itself is restarted.
    """

    def __init__(self, root: Root, spec: SupervisorSpec) -> None:
        assert spec.template is not None
        self.name = spec.id
        self._root = root
        self._template: Program = spec.template.program

    @property
    def instances(self) -> tuple[str, ...]:
        """The names of the instances, in the order in which they were started, whether they run or not."""
        return tuple(view.id for view in self._root.views() if view.path.split("/")[-2] == self.name)

    async def start(self, instance: str, config: Mapping[str, Any] | None = None) -> None:
        """Start an instance, with ``config`` laid over the template's; returns when it is ready.

        Unlike a child from the beginning, one whose first start fails is not kept: try again when it may
        work. Raises Refused for that and for a name that is taken, ConfigError for one that cannot be a
        child's and for a config that cannot be sent.
        """
        _checked(identifier, instance, f"pool {self.name}")
        own = _checked(free_table, plain(config or {}), f"pool {self.name}: {instance}: config")
        program = replace(self._template, config=merged(self._template.config, own))
        await self._call(
            "start", instance, lambda request: events.StartChild(self.name, instance, request, program)
        )

    async def stop(self, instance: str) -> None:
        """Stop an instance and forget it; returns when its processes are gone. Raises Refused."""
        await self._call(
            "stop", instance, lambda request: events.TerminateChild(self.name, instance, request)
        )

    async def _call(self, verb: str, instance: str, call: Callable[[str], events.Call]) -> None:
        try:
            result = await self._root.results.ask(call)
        except RootEnded as ended:
            raise Refused(verb, instance, str(ended)) from ended
        if result.error is not None:
            raise Refused(verb, instance, _WHY.get(result.error, result.error))


def _checked(read: Read, value: object, place: str) -> Any:
    try:
        return read(value)
    except Unfit as error:
        says = f"found {shown(value)}, allowed is {error.allowed}"
        raise ConfigError([Problem(origin="start of an instance", key=place, says=says)]) from None
