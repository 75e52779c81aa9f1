"""A root inside somebody else's asyncio program: no signal is taken over, no log, and the process goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import IO

from supervisor.config import Tree
from supervisor.host.console import Console
from supervisor.host.output import Output
from supervisor.runtime.answers import RootEnded
from supervisor.runtime.environments import environments
from supervisor.runtime.root import Root
from supervisor.runtime.rootlog import beside
from supervisor.runtime.taken import Taken, places_taken


class EmbeddedRoot:
    """One tree, from :meth:`open` to its end. ``console`` None: the log goes to the files alone."""

    def __init__(self, tree: Tree, console: IO[str] | None) -> None:
        self._tree, self._console = tree, console
        self._life: asyncio.Task[int] | None = None
        self._root: asyncio.Future[Root] | None = None

    async def open(self) -> Root:
        """Start the tree; returns when the first start has gone through all children, or the tree has ended.

        Raises RootAlreadyHere, StateDirBusy, ProtocolError, OSError, and then nothing is left behind.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Root] = loop.create_future()
        self._life = loop.create_task(self._live(opened), name="root of the tree")
        try:
            await asyncio.wait((self._life, opened), return_when=asyncio.FIRST_COMPLETED)
            if not opened.done():
                self._life.result()
            root = opened.result()
            with contextlib.suppress(RootEnded):  # how it ended is told by `ended`
                await root.started()
        except asyncio.CancelledError:
            await self.kill()
            raise
        return root

    @property
    def over(self) -> bool:
        """Whether the tree has ended and given everything back."""
        return self._life is not None and self._life.done()

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` in the loop when the tree has ended. Only after :meth:`open`."""
        assert self._life is not None
        self._life.add_done_callback(lambda _: callback())

    async def ended(self) -> int:
        """Wait until the tree is down and everything it used is given back; its exit code."""
        assert self._life is not None
        return await asyncio.shield(self._life)

    async def kill(self) -> None:
        """End everything at once, without the order and the patience of a stop."""
        if self._life is not None and not self._life.done():
            self._life.cancel()
            await asyncio.wait((self._life,))

    async def _live(self, opened: asyncio.Future[Root]) -> int:
        with places_taken(self._tree, embedded=True) as taken:
            console = None if self._console is None else Console(self._console)
            output = Output(self._tree.state_dir / "log", console=console, environ=environments(self._tree))
            try:
                with beside(output.write):
                    return await self._serve(taken, output, opened)
            finally:
                # It may wait for a slow disk or a stuck terminal: not in the program's loop.
                await asyncio.to_thread(output.close)

    async def _serve(self, taken: Taken, output: Output, opened: asyncio.Future[Root]) -> int:
        root = Root(self._tree, taken, output, announce=None, max_restarts=None)
        try:
            await root.open()
            opened.set_result(root)
            return await root.finished()
        finally:
            await root.close()
