"""A tree that runs inside this program."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from supervisor.api.errors import Refused
from supervisor.api.events import EventStream
from supervisor.api.pool import Pool
from supervisor.config import Tree
from supervisor.config.suggest import did_you_mean
from supervisor.engine import events
from supervisor.engine.spec import SupervisorSpec
from supervisor.runtime.answers import RootEnded
from supervisor.runtime.embedded import EmbeddedRoot
from supervisor.runtime.root import Root


class RunningTree:
    """What ``async with Supervisor(...) as tree`` gives. All of it belongs to the loop it was started in.

    The ``supervisor`` commands reach this tree too: ``supervisor status --state-dir DIR``.
    """

    def __init__(self, tree: Tree, root: Root, embedded: EmbeddedRoot) -> None:
        self._tree, self._root, self._embedded = tree, root, embedded
        self.events = EventStream()
        root.listeners.append(self.events.hear)
        embedded.when_ended(self.events.close)

    async def start(self, child: str) -> None:
        """Have a child or group up that was stopped, parked or held; returns when it is ready.

        Its failures so far are forgiven. Raises Refused when it did not become ready (it is tried again like
        after any failure), there is no such child, or the tree ended meanwhile.
        """
        await self._ask("start", child, lambda request: events.StartAsked(child, request))

    async def restart(self, child: str) -> None:
        """Have a new process for a child, or new ones for a group; returns when they are ready.

        Raises as :meth:`start` does.
        """
        await self._ask("restart", child, lambda request: events.RestartAsked(child, request))

    async def stop(self, child: str | None = None) -> None:
        """Have a child or group down until it is started again; returns when its processes are gone.

        Without a name the whole tree is stopped, in reverse order. Raises Refused.
        """
        if child is None:
            self.shut_down()
            await self.stopped()
        else:
            await self._ask("stop", child, lambda request: events.StopAsked(child, request))

    def status(self) -> dict[str, Any]:
        """Return the object of ``supervisor status --json``: the root and each child, as they are now."""
        return self._root.status()

    def shut_down(self, code: int = 0) -> None:
        """Begin to stop the whole tree in reverse order; :meth:`stopped` will return ``code``.

        Harmless when it is stopping or has ended.
        """
        if not self._embedded.over:
            self._root.shut_down(code, by="program")

    async def stopped(self) -> int:
        """Wait until the tree has ended, whoever ended it; its exit code.

        By then every process of it is gone and its state directory is free. The ways to get there: the end
        of the ``async with`` block, :meth:`stop`, ``supervisor stop``, ``auto_shutdown``, a child that is
        done with everything, ``on_exhausted = "exit"``.
        """
        return await self._embedded.ended()

    def pool(self, name: str) -> Pool:
        """Return the pool of that name: a group with strategy ``simple_one_for_one``. Raises KeyError."""
        pools = {spec.id: spec for spec in _supervisors(self._tree.root) if spec.template is not None}
        if name not in pools:
            known = ", ".join(pools) or "none"
            raise KeyError(f"there is no pool {name!r}{did_you_mean(name, pools)}; the pools are: {known}")
        return Pool(self._root, pools[name])

    async def leave(self) -> int:
        """Stop the tree in order and wait for its end; a cancellation meanwhile ends it at once."""
        self.shut_down()
        try:
            return await self.stopped()
        except asyncio.CancelledError:
            await self._embedded.kill()
            raise

    async def _ask(self, verb: str, child: str, question: Callable[[str], events.Event]) -> None:
        try:
            reply = await self._root.replies.ask(question)
        except RootEnded as ended:
            raise Refused(verb, child, str(ended)) from ended
        if not reply.ok:
            raise Refused(verb, child, reply.detail)


def _supervisors(spec: SupervisorSpec) -> list[SupervisorSpec]:
    beneath = (child for child in spec.children if isinstance(child, SupervisorSpec))
    return [spec, *(found for child in beneath for found in _supervisors(child))]
